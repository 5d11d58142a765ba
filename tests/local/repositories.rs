//! Each repository is served as it is, and every curl line that `gatefold dev` prints gets the answer of its route.

use super::expected::applications::{APPLICATION, ARGOCD, HELM_OUTPUT};
use super::expected::dialects::{
    ENVOY_GATEWAY, ENVOY_GATEWAY_WITHOUT_PROTECTION, GKE, ISTIO, NGINX,
};
use super::expected::kustomizations::{
    FLUX_FLEET, FLUX_HOME, KUSTOMIZE_PRODUCTION, KUSTOMIZE_STAGING,
};
use super::expected::{ExpectedOutcome, ExpectedRepository};
use crate::support::dev::{ClonedRepository, CurlAnswer, CurlLine, Dev};
use crate::support::repository;
use std::collections::BTreeSet;
use std::fs;

const ALL: [&ExpectedRepository; 12] = [
    &APPLICATION,
    &ARGOCD,
    &ENVOY_GATEWAY,
    &ENVOY_GATEWAY_WITHOUT_PROTECTION,
    &FLUX_FLEET,
    &FLUX_HOME,
    &GKE,
    &HELM_OUTPUT,
    &ISTIO,
    &KUSTOMIZE_PRODUCTION,
    &KUSTOMIZE_STAGING,
    &NGINX,
];

#[test]
fn every_repository_is_tested() {
    let folders = fs::read_dir(repository("tests/fixtures/repositories")).expect("the folder");
    let names = folders.map(|it| it.expect("an entry").file_name());
    let found: BTreeSet<_> = names.map(|it| it.into_string().expect("a name")).collect();
    let tested: BTreeSet<_> = ALL.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(found, tested);
}

#[test]
fn serves_an_application_with_its_source_code() {
    serves(&APPLICATION);
}

#[test]
fn serves_argo_cd_applications() {
    serves(&ARGOCD);
}

#[test]
fn closes_what_a_policy_protects_and_serves_the_rest() {
    serves(&ENVOY_GATEWAY);
}

#[test]
fn serves_what_a_policy_protects_if_asked_to() {
    serves(&ENVOY_GATEWAY_WITHOUT_PROTECTION);
}

#[test]
fn serves_a_fleet_of_flux() {
    serves(&FLUX_FLEET);
}

#[test]
fn serves_a_home_cluster_of_flux() {
    serves(&FLUX_HOME);
}

#[test]
fn serves_the_dialect_of_gke() {
    serves(&GKE);
}

#[test]
fn serves_the_output_of_helm_beside_its_chart() {
    serves(&HELM_OUTPUT);
}

#[test]
fn serves_the_dialect_of_istio() {
    serves(&ISTIO);
}

#[test]
fn serves_the_chosen_overlay() {
    serves(&KUSTOMIZE_PRODUCTION);
}

#[test]
fn serves_another_overlay() {
    serves(&KUSTOMIZE_STAGING);
}

#[test]
fn serves_the_dialect_of_nginx() {
    serves(&NGINX);
}

#[test]
fn check_takes_what_a_cluster_would_take() {
    let mut wrong = Vec::new();
    for expected in ALL {
        let output = ClonedRepository::of(expected.name).check(expected.flags);
        if output.status.code() != Some(expected.exit_code) {
            let text = String::from_utf8_lossy(&output.stdout);
            let error = String::from_utf8_lossy(&output.stderr);
            let (name, flags, wanted) = (expected.name, expected.flags, expected.exit_code);
            let code = output.status.code();
            wrong.push(format!(
                "{name} {flags:?}: {code:?} instead of {wanted}\n{text}{error}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Starts `gatefold dev`, runs every curl line that it prints, and compares.
#[track_caller]
fn serves(expected: &ExpectedRepository) {
    let clone = ClonedRepository::of(expected.name);
    let mut dev = clone.dev(expected.flags);
    let lines = dev.curl_lines();
    let mut problems = routes_that_differ(&dev, expected);
    let mut asked = BTreeSet::new();
    for line in &lines {
        let answers = expected.routes.iter().flat_map(|route| route.answers);
        let fitting: Vec<_> = answers.filter(|it| matches(it.url, &line.url)).collect();
        if fitting.is_empty() {
            problems.push(format!("no route is expected to answer {}", line.text));
            continue;
        }
        asked.extend(fitting.iter().map(|it| it.url));
        match dev.run(line) {
            Ok(answer) if fitting.iter().any(|it| fits(it.outcome, &answer)) => {}
            Ok(answer) => problems.push(differs(line, &answer)),
            Err(error) => problems.push(format!("{}\n{error}", line.text)),
        }
    }
    for route in expected.routes {
        let unasked = route.answers.iter().filter(|it| !asked.contains(it.url));
        let name = route.name;
        problems.extend(unasked.map(|it| format!("{name}: no curl line for {}", it.url)));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The expected routes are all routes of the repository, and the table names those that have lines.
fn routes_that_differ(dev: &Dev, expected: &ExpectedRepository) -> Vec<String> {
    let mut problems = Vec::new();
    for resource in ["httproutes", "grpcroutes"] {
        let routes = expected.routes.iter();
        let routes = routes.filter(|it| it.resource == resource);
        let mut wanted: Vec<_> = routes.map(|it| it.name.to_owned()).collect();
        wanted.sort();
        let names = dev.names(resource);
        if names != wanted {
            problems.push(format!("{resource}: {names:?} instead of {wanted:?}"));
        }
    }
    let output = dev.output();
    for route in expected.routes.iter().filter(|it| !it.answers.is_empty()) {
        if !output.contains(route.name) {
            problems.push(format!("the table doesn't name {}", route.name));
        }
    }
    problems
}

fn fits(outcome: ExpectedOutcome, answer: &CurlAnswer) -> bool {
    let from = |services: &[&str]| {
        let service = answer.service();
        service.is_some_and(|it| services.contains(&it.as_str()))
    };
    match outcome {
        ExpectedOutcome::Service(services) => answer.status == 200 && from(services),
        ExpectedOutcome::Grpc(service) => {
            answer.status == 200 && answer.header("grpc-status") == Some("0") && from(&[service])
        }
        ExpectedOutcome::Redirect(status, location) => {
            let header = answer.header("location").unwrap_or_default();
            answer.status == status && matches(location, header)
        }
        ExpectedOutcome::Refused(status) => answer.status == status && answer.service().is_none(),
    }
}

fn differs(line: &CurlLine, answer: &CurlAnswer) -> String {
    let (status, text) = (answer.status, answer.text());
    format!("{}\ngot {status}:\n{text}", line.text)
}

/// Whether a text equals a pattern, in which `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| matches(after, &rest[at..]))
}
