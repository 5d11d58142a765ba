//! Hostnames that another listener receives.

use crate::environment::{AddressSharing, Environment};
use crate::{Graph, build};
use gatefold_diagnostic::{Code, Diagnostic};
use gatefold_manifest::Loader;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A Gateway whose listeners allow every route: each with its name and hostname.
fn gateway(name: &str, listeners: &[(&str, &str)]) -> String {
    let mut text = format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\n\
         spec:\n  gatewayClassName: any\n  listeners:\n"
    );
    for (listener, hostname) in listeners {
        let allowed = "allowedRoutes: {namespaces: {from: All}}";
        writeln!(
            text,
            "  - {{name: {listener}, port: 80, protocol: HTTP, hostname: \"{hostname}\", {allowed}}}"
        )
        .expect("writing to a string succeeds");
    }
    text
}

fn route(name: &str, gateway: &str, hostnames: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}}}\n\
         spec: {{parentRefs: [{{name: {gateway}}}], hostnames: [{hostnames}]}}\n"
    )
}

fn graph(manifests: &str, sharing: AddressSharing) -> Graph {
    let loaded = Loader::from_text("a.yaml", manifests);
    assert_eq!(loaded.diagnostics, [], "the manifests must load");
    let environment = Environment {
        sharing,
        ..Environment::default()
    };
    build(&loaded.resources, &environment)
}

/// The subjects and messages of the warnings.
fn warnings(manifests: &str, sharing: AddressSharing) -> Vec<(String, String)> {
    let advice = graph(manifests, sharing).advice();
    let found = advice.into_iter();
    let found = found.filter(|it| it.code == Code::HostnameServedElsewhere);
    let subject = |it: &Diagnostic| it.resource.as_ref().map(ToString::to_string);
    found
        .map(|it| (subject(&it).unwrap_or_default(), it.message))
        .collect()
}

#[test]
fn warns_at_the_route_and_at_the_more_specific_listener_of_another_gateway() {
    let manifests = gateway("external", &[("wild", "*.example.com")])
        + &gateway("internal", &[("shop", "shop.example.com")])
        + &route("shop", "external", "shop.example.com, www.example.com");
    let expected = [
        (
            "Gateway default/internal",
            "listener `shop` takes the traffic for `shop.example.com` from listener `wild` of Gateway default/external, \
             which has the same address and port, so routes there miss it",
        ),
        (
            "HTTPRoute default/shop",
            "`shop.example.com` receives no traffic at listener `wild` of Gateway default/external: listener `shop` of \
             Gateway default/internal receives it because its hostname is `shop.example.com`",
        ),
    ];
    let expected = expected.map(|(subject, message)| (subject.to_owned(), message.to_owned()));
    assert_eq!(warnings(&manifests, AddressSharing::Shared), expected);
    assert_eq!(
        warnings(&manifests, AddressSharing::Separate),
        [],
        "in a cluster each Gateway has its own address"
    );
}

#[test]
fn warns_at_the_route_of_a_listener_whose_hostname_another_gateway_has() {
    let manifests = gateway("a-first", &[("wild", "*.example.com")])
        + &gateway("b-second", &[("same", "*.example.com")])
        + &route("shop", "b-second", "shop.example.com")
        + &route("both", "a-first}, {name: b-second", "both.example.com");
    let expected = "`shop.example.com` receives no traffic at listener `same` of Gateway default/b-second: listener `wild` \
                    of Gateway default/a-first receives it because it has the same hostname and takes precedence";
    let expected = ("HTTPRoute default/shop".to_owned(), expected.to_owned());
    assert_eq!(
        warnings(&manifests, AddressSharing::Shared),
        [expected],
        "the conflict itself is an error at the listener"
    );
}

#[test]
fn counts_the_hostnames_that_a_listener_takes() {
    let manifests = gateway("external", &[("wild", "*.example.com")])
        + &gateway("internal", &[("apps", "*.apps.example.com")])
        + &route("one", "external", "one.apps.example.com")
        + &route(
            "two",
            "external",
            "two.apps.example.com, \"*.apps.example.com\"",
        );
    let found = warnings(&manifests, AddressSharing::Shared);
    let (subject, message) = &found[0];
    assert_eq!(subject, "Gateway default/internal");
    assert!(
        message.contains("`one.apps.example.com` and 2 more"),
        "{message}"
    );
    assert_eq!(
        found.len(),
        4,
        "one for each hostname, and one for the listener: {found:?}"
    );
}

/// The time for advice about 1,000 routes with 8 hostnames each, of which none is served elsewhere, beside a number of more
/// specific listeners.
fn time(gateways: usize) -> Duration {
    let mut manifests = gateway("wild", &[("wild", "*.example.com")]);
    for index in 0..gateways {
        let names: Vec<(String, String)> = (0..50)
            .map(|at| (format!("l{at}"), format!("host-{index}-{at}.example.com")))
            .collect();
        let listeners: Vec<(&str, &str)> = names.iter().map(|(a, b)| (&**a, &**b)).collect();
        manifests += &gateway(&format!("g{index}"), &listeners);
    }
    for index in 0..1_000 {
        let hostnames: Vec<String> = (0..8)
            .map(|at| format!("r{index}-{at}.example.com"))
            .collect();
        manifests += &route(&format!("r{index}"), "wild", &hostnames.join(", "));
    }
    let graph = graph(&manifests, AddressSharing::Shared);
    assert_eq!(graph.listeners().count(), 1 + 50 * gateways);
    let began = Instant::now();
    assert_eq!(graph.advice(), []);
    began.elapsed()
}

/// The cost of a hostname doesn't depend on the number of listeners. If each hostname read all listeners, a hundred times as
/// many would take far more than ten times as long.
#[test]
fn advice_costs_the_same_beside_a_thousand_listeners() {
    let (few, many) = (time(0), time(20));
    assert!(
        many < few * 10,
        "{few:?} beside one listener, {many:?} beside 1,000"
    );
}
