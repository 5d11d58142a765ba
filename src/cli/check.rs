//! `gatefold check`: what a daemon would make of these folders.

use super::manifest_args::ManifestArgs;
use super::roots::must_exist;
use super::{Error, print};
use crate::address_pool::AddressPool;
use crate::discover::FixedBackend;
use crate::status::table::{self, Table};
use crate::status::{Applied, Statuses, report};
use crate::system_authorities;
use anyhow::Context as _;
use gatefold_diagnostic::{
    Diagnostic, ResourceId, Severity, Style, github_annotation, render, sort, summary_line,
};
use gatefold_graph::environment::Environment;
use gatefold_graph::{Graph, ServicePortKey, build};
use gatefold_manifest::{Loaded, Loader};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use time::OffsetDateTime;

/// The arguments of `gatefold check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders or files of manifests; `-` for standard input.
    #[arg(required = true, value_name = "DIR|-")]
    roots: Vec<PathBuf>,
    /// What the manifests mean.
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Ends with 1 on warnings, too.
    #[arg(long, env = "GATEFOLD_DENY_WARNINGS", value_parser = clap::builder::FalseyValueParser::new())]
    deny_warnings: bool,
    /// How to show what is found.
    #[arg(
        long,
        short,
        value_name = "FORMAT",
        env = "GATEFOLD_CHECK_OUTPUT",
        default_value = "text"
    )]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// Tables and drawn diagnostics.
    Text,
    /// One JSON object.
    Json,
    /// Annotations of GitHub Actions.
    Github,
}

/// What was found.
struct Findings {
    files: usize,
    refused: Vec<ResourceId>,
    graph: Graph,
    statuses: Statuses,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn check(args: &Args) -> Result<ExitCode, Error> {
    let findings = find(load(&args.roots)?, &args.manifests);
    print(match args.output {
        Output::Text => findings.text(),
        Output::Json => findings.json(),
        Output::Github => {
            let lines = findings
                .diagnostics
                .iter()
                .map(|d| github_annotation(d) + "\n");
            lines.collect()
        }
    })?;
    let warnings = args.deny_warnings && findings.count(Severity::Warning) > 0;
    match warnings || findings.count(Severity::Error) > 0 {
        true => Ok(ExitCode::FAILURE),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// `gatefold run --check`.
pub(super) fn check_roots(roots: Vec<PathBuf>, manifests: ManifestArgs) -> Result<ExitCode, Error> {
    check(&Args {
        roots,
        manifests,
        deny_warnings: false,
        output: Output::Text,
    })
}

fn load(roots: &[PathBuf]) -> Result<Loaded, Error> {
    if !roots.iter().any(|root| root == Path::new("-")) {
        must_exist(roots)?;
        return Ok(Loader::new(roots.to_vec()).load());
    }
    if roots.len() > 1 {
        let message = "`-` stands for standard input and can't be joined with folders";
        return Err(Error::Usage(message.to_owned()));
    }
    let mut text = Vec::new();
    // The loader refuses a text above its limit: one byte more is enough to see that.
    let most = gatefold_manifest::FILE_SIZE + 1;
    let read = io::stdin().take(most).read_to_end(&mut text);
    read.context("can't read standard input")?;
    Ok(Loader::from_text("<stdin>", text))
}

fn find(loaded: Loaded, args: &ManifestArgs) -> Findings {
    let now = OffsetDateTime::now_utc();
    let pool = args.address_pool.map(AddressPool::new);
    let mut environment = Environment {
        controller_name: args.controller_name.clone(),
        path_normalization: args.path_normalization(),
        ignored_policies: args.ignore_policy.clone(),
        addresses: args.address.clone(),
        pool: pool.map(|mut pool| pool.assign(&loaded.resources)),
        port_map: args.port_map(),
        reachable: vec![Ipv4Addr::LOCALHOST.into()],
        now: Some(now),
        system_authorities: system_authorities::wanted_by(&loaded.resources),
        ..Environment::default()
    };
    let mut graph = build(&loaded.resources, &environment);
    if !args.backend.is_empty() {
        environment.discovered = Arc::new(given_endpoints(&args.backend, &graph));
        graph = build(&loaded.resources, &environment);
    }
    let statuses = report(&graph, &Applied::default(), &Statuses::default(), now);
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(graph.diagnostics.iter().cloned());
    diagnostics.extend(graph.advice());
    sort(&mut diagnostics);
    Findings {
        files: loaded.files,
        refused: loaded.refused,
        graph,
        statuses,
        diagnostics,
    }
}

/// The endpoints that `--backend` gives. No name is looked up, so a Service behind a name has none.
fn given_endpoints(
    backends: &[FixedBackend],
    graph: &Graph,
) -> BTreeMap<ServicePortKey, Vec<SocketAddr>> {
    let mut given = BTreeMap::new();
    for backend in backends {
        let address = backend.host.parse().ok();
        let address = address.map(|ip: IpAddr| SocketAddr::new(ip, backend.port));
        let wanted = graph.wanted.keys().filter(|(service, port)| {
            *service == backend.service && backend.service_port.is_none_or(|it| it == *port)
        });
        let named = backend
            .service_port
            .map(|port| (backend.service.clone(), port));
        for key in wanted.cloned().chain(named) {
            given
                .entry(key)
                .or_insert_with(|| address.into_iter().collect());
        }
    }
    given
}

impl Findings {
    fn count(&self, severity: Severity) -> usize {
        let found = self.diagnostics.iter().filter(|d| d.severity == severity);
        found.count()
    }

    fn text(&self) -> String {
        let style = match io::stdout().is_terminal() {
            true => Style::Colour,
            false => Style::Plain,
        };
        let mut text = String::new();
        for (title, kind, mut table) in self.tables() {
            let refused = self.refused.iter().filter(|id| id.kind == kind);
            refused.for_each(|id| table.add_refused(id));
            if !table.rows.is_empty() {
                text.push_str(&format!("{title}\n{table}\n"));
            }
        }
        let (notes, problems): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
            (self.diagnostics.iter()).partition(|one| one.severity == Severity::Info);
        for problem in problems {
            text.push_str(render(problem, style).trim_end());
            text.push_str("\n\n");
        }
        // Deployments and the like lie beside in every folder: a line each is enough.
        for note in &notes {
            text.push_str(&summary_line(note));
            if let Some(help) = &note.help {
                text.push_str(&format!(" ({help})"));
            }
            text.push('\n');
        }
        if !notes.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.summary());
        text
    }

    /// Every table, with its title and its kind.
    fn tables(&self) -> [(&'static str, &'static str, Table); 6] {
        let (graph, statuses) = (&self.graph, &self.statuses);
        [
            (
                "GatewayClasses",
                "GatewayClass",
                table::gateway_classes(graph, statuses),
            ),
            ("Gateways", "Gateway", table::gateways(graph, statuses)),
            (
                "ListenerSets",
                "ListenerSet",
                table::listener_sets(graph, statuses),
            ),
            ("Listeners", "", table::listeners(graph, statuses)),
            (
                "HTTPRoutes",
                "HTTPRoute",
                table::http_routes(graph, statuses),
            ),
            (
                "BackendTLSPolicies",
                "BackendTLSPolicy",
                table::backend_tls_policies(graph, statuses),
            ),
        ]
    }

    fn summary(&self) -> String {
        let counted = |count: usize, what: &str| match count {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let infos = match self.count(Severity::Info) {
            0 => String::new(),
            1 => ", 1 note".to_owned(),
            more => format!(", {more} notes"),
        };
        format!(
            "{} read: {}, {}{infos}\n",
            counted(self.files, "file"),
            counted(self.count(Severity::Error), "error"),
            counted(self.count(Severity::Warning), "warning"),
        )
    }

    fn json(&self) -> String {
        let statuses = &self.statuses;
        let named = |kind: &str, namespace: &str, name: &str, status: Value| json!({"kind": kind, "namespace": namespace, "name": name, "status": status});
        let classes = statuses.gateway_classes.iter();
        let classes = classes.map(|(name, status)| named("GatewayClass", "", name, json!(status)));
        let gateways = statuses.gateways.iter();
        let gateways = gateways
            .map(|(key, status)| named("Gateway", &key.namespace, &key.name, json!(status)));
        let sets = statuses.listener_sets.iter();
        let sets = sets
            .map(|(key, status)| named("ListenerSet", &key.namespace, &key.name, json!(status)));
        let routes = statuses.http_routes.iter();
        let routes = routes
            .map(|(key, status)| named("HTTPRoute", &key.namespace, &key.name, json!(&**status)));
        let policies = statuses.backend_tls_policies.iter();
        let policies = policies.map(|(key, status)| {
            named("BackendTLSPolicy", &key.namespace, &key.name, json!(status))
        });
        let objects = classes
            .chain(gateways)
            .chain(sets)
            .chain(routes)
            .chain(policies);
        let mut objects: Vec<Value> = objects.collect();
        let refused = self.refused.iter();
        objects.extend(refused.map(|id| {
            json!({"kind": id.kind, "namespace": id.namespace, "name": id.name, "status": null, "refused": true})
        }));
        let whole = json!({
            "files": self.files,
            "objects": objects,
            "diagnostics": self.diagnostics,
        });
        format!("{whole:#}\n")
    }
}
