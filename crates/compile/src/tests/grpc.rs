//! Compares the compiled router of GRPCRoutes with a literal reading of the specification on random manifests. Hostnames and
//! listeners are the same for all kinds of routes; the tests of HTTPRoutes cover them.

use super::naive::{Request, header_fits, pattern_fits};
use super::{compiled, compiled_resources};
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::routing::request::RequestView;
use gatefold_manifest::api::{
    GRPCMethodMatch, GRPCRoute, GRPCRouteMatch, GRPCRouteRule, HTTPHeaderMatch, HeaderName,
    Timestamp, ValueMatchType,
};
use gatefold_manifest::{Loader, Resources};
use http::{HeaderMap, HeaderValue, Method, Version};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const FOLDER: &str = r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway, namespace: gateways}
spec:
  gatewayClassName: any
  listeners: [{name: any, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: route}
spec: {parentRefs: [{name: gateway, namespace: gateways}]}
";

/// A Gateway, and a template for routes.
static TEMPLATE: LazyLock<Resources> =
    LazyLock::new(|| Loader::from_text("template.yaml", FOLDER).resources);

/// A match that fits the request.
struct Candidate<'a> {
    spec: GRPCRouteMatch,
    route: &'a GRPCRoute,
    rule: usize,
    index: usize,
}

/// Checks every match of every route, and returns the route and the rule that take precedence.
fn literal_route(resources: &Resources, request: &Request) -> Option<(String, usize)> {
    let mut candidates = Vec::new();
    for route in resources.grpc_routes.values() {
        for (rule, one) in route.spec.rules.iter().enumerate() {
            // "If no matches are specified, the implementation MUST match every gRPC request."
            let mut matches = one.matches.clone();
            if matches.is_empty() {
                matches.push(GRPCRouteMatch::default());
            }
            for (index, spec) in matches.into_iter().enumerate() {
                if fits(&spec, request) {
                    candidates.push(Candidate {
                        spec,
                        route,
                        rule,
                        index,
                    });
                }
            }
        }
    }
    let best = candidates
        .iter()
        .min_by(|one, other| precedence(one, other));
    best.map(|it| (full_name(it.route), it.rule))
}

fn precedence(left: &Candidate<'_>, right: &Candidate<'_>) -> Ordering {
    let name = |it: &Candidate<'_>, which: fn(&GRPCMethodMatch) -> Option<&String>| {
        let method = it.spec.method.as_ref();
        let text = method.and_then(which).filter(|text| !text.is_empty());
        let is_exact = method.is_some_and(|it| it.kind == ValueMatchType::Exact);
        // Precedence among types is specific to implementations: gatefold's is exact names, then patterns.
        text.map(|text| (is_exact, text.len()))
    };
    let service = |it: &Candidate<'_>| name(it, |method| method.service.as_ref());
    let method = |it: &Candidate<'_>| name(it, |method| method.method.as_ref());
    let age = |it: &Candidate<'_>| it.route.meta.creation_timestamp;
    // "Characters in a matching service."
    service(right)
        .cmp(&service(left))
        // "Characters in a matching method."
        .then(method(right).cmp(&method(left)))
        // "Header matches."
        .then(right.spec.headers.len().cmp(&left.spec.headers.len()))
        // "The oldest Route based on creation timestamp"; a route without a timestamp is older than any other.
        .then(age(left).cmp(&age(right)))
        // "The Route appearing first in alphabetical order by '{namespace}/{name}'."
        .then(full_name(left.route).cmp(&full_name(right.route)))
        // "The FIRST matching rule in the list with a match meeting the above criteria."
        .then(left.rule.cmp(&right.rule))
        .then(left.index.cmp(&right.index))
}

fn full_name(route: &GRPCRoute) -> String {
    format!("{}/{}", route.meta.namespace, route.meta.name)
}

/// "The match is satisfied only if all conditions are satisfied."
fn fits(spec: &GRPCRouteMatch, request: &Request) -> bool {
    let mut headers = spec.headers.iter();
    method_fits(spec.method.as_ref(), &request.path) && headers.all(|it| header_fits(it, request))
}

/// "If this field is not specified, all services and methods will match", as will an empty name.
fn method_fits(spec: Option<&GRPCMethodMatch>, path: &str) -> bool {
    let Some(spec) = spec else { return true };
    let named = path.strip_prefix('/').and_then(|it| it.rsplit_once('/'));
    let pairs = [
        (&spec.service, named.map(|(service, _)| service)),
        (&spec.method, named.map(|(_, method)| method)),
    ];
    pairs.into_iter().all(|(expected, sent)| {
        let expected = expected.as_ref().filter(|text| !text.is_empty());
        match (expected, sent, spec.kind) {
            (None, _, _) => true,
            (Some(_), None, _) => false,
            (Some(expected), Some(sent), ValueMatchType::Exact) => expected == sent,
            (Some(pattern), Some(sent), ValueMatchType::RegularExpression) => {
                pattern_fits(pattern, sent)
            }
        }
    })
}

prop_compose! {
    fn a_method()(
        kind in prop_oneof![3 => Just(ValueMatchType::Exact), 1 => Just(ValueMatchType::RegularExpression)],
        service in prop::option::weighted(0.7, 0..4usize), method in prop::option::weighted(0.6, 0..4usize),
    ) -> Option<GRPCMethodMatch> {
        let (services, methods) = match kind {
            ValueMatchType::Exact => (["p.A", "p.B", "A", ""], ["Get", "List", "GetAll", ""]),
            // Patterns of the same length, so that the criteria after the length also decide.
            ValueMatchType::RegularExpression => (["p[.].*", "^[pq].*", "^p[.]A$", ".*A|p.B"], ["Get.*", ".*t", "^[GL]e.*$", "Get|List"]),
        };
        let (service, method) = (service.map(|it| services[it].to_owned()), method.map(|it| methods[it].to_owned()));
        (service.is_some() || method.is_some()).then_some(GRPCMethodMatch { kind, service, method })
    }
}

prop_compose! {
    fn a_match()(
        method in a_method(), headers in subsequence(vec!["h", "I"], 0..=2), value in select(vec!["1", "2"]),
        kind in prop_oneof![20 => Just(ValueMatchType::Exact), 1 => Just(ValueMatchType::RegularExpression)],
    ) -> GRPCRouteMatch {
        let header = |name| HTTPHeaderMatch { kind, name: HeaderName::parse(name).expect("a header name"), value: value.to_owned() };
        GRPCRouteMatch { method, headers: headers.into_iter().map(header).collect() }
    }
}

prop_compose! {
    fn a_route()(
        namespace in select(vec!["n", "n-m"]), name in select(vec!["p", "q"]), age in prop::option::of(0..2i64),
        rules in prop::collection::vec(prop::collection::vec(a_match(), 0..=3), 0..=4),
    ) -> GRPCRoute {
        let template = TEMPLATE.grpc_routes.values().next().expect("the template has a route");
        let mut route = GRPCRoute::clone(template);
        route.meta.namespace = namespace.into();
        route.meta.name = name.into();
        route.meta.creation_timestamp =
            age.map(|it| Timestamp(time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(it)));
        let rules = rules.into_iter().map(|matches| GRPCRouteRule { matches, ..GRPCRouteRule::default() });
        route.spec.rules = rules.collect();
        route
    }
}

prop_compose! {
    fn a_folder()(routes in prop::collection::vec(a_route(), 1..=4)) -> Resources {
        let mut resources = TEMPLATE.clone();
        let routes = routes.into_iter().map(|it| (it.key(), Arc::new(it)));
        resources.grpc_routes = Arc::new(routes.collect::<BTreeMap<_, _>>());
        resources
    }
}

prop_compose! {
    fn a_request()(
        path in select(vec![
            "/p.A/Get", "/p.A/List", "/p.B/Get", "/p.B/GetAll", "/A/Get", "/p.C/List", "/q.A/Get", "/p.A/get", "/P.A/Get",
            "/p.A/", "//Get", "/p.A", "/", "*",
        ]),
        headers in subsequence(vec![("h", "1"), ("i", "1"), ("i", "2")], 0..=3),
    ) -> Request {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Request {
            host: "a.x.y".to_owned(), method: "POST".to_owned(), path: path.to_owned(), query: None,
            headers: headers.into_iter().map(owned).collect(),
        }
    }
}

fn compiled_route(snapshot: &Snapshot, request: &Request) -> Option<(String, usize)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        headers.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    let view = RequestView {
        version: Version::HTTP_2,
        host: &request.host,
        method: &Method::POST,
        path: &request.path,
        query: None,
        headers: &headers,
    };
    let port = snapshot.ports.values().next()?;
    let rule = port.http()?.find(view.host)?.routers.grpc.route(&view)?;
    Some((rule.id.route.to_string(), rule.id.index))
}

/// Returns the rule for a path in a folder with one route.
fn rule_for(rules: &str, path: &str) -> Option<usize> {
    let route =
        format!("{{parentRefs: [{{name: gateway, namespace: gateways}}], rules: [{rules}]}}");
    let folder = FOLDER.replace(
        "{parentRefs: [{name: gateway, namespace: gateways}]}",
        &route,
    );
    let request = Request {
        host: "a.x.y".to_owned(),
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: None,
        headers: Vec::new(),
    };
    compiled_route(&compiled(&folder), &request).map(|(_, rule)| rule)
}

#[test]
fn exact_service_precedes_patterns() {
    let rules = "{matches: [{method: {service: p.A}}]}, \
        {matches: [{method: {type: RegularExpression, service: 'p[.]A', method: 'Get.*'}}]}, \
        {matches: [{method: {type: RegularExpression, method: 'L.*'}}]}";
    assert_eq!(
        rule_for(rules, "/p.A/Get"),
        Some(0),
        "an exact service precedes a pattern"
    );
    assert_eq!(rule_for(rules, "/p.B/List"), Some(2));
    assert_eq!(rule_for(rules, "/p.B/Get"), None);
}

#[test]
fn anchors_of_patterns_apply_to_service_and_method() {
    let rules =
        "{matches: [{method: {type: RegularExpression, service: '^p[.].*$', method: '^Get$'}}]}";
    assert_eq!(rule_for(rules, "/p.A/Get"), Some(0));
    for path in [
        "/p.A/GetAll",
        "/q.p.A/Get",
        "//p.A/Get",
        "/x/p.A/Get",
        "/p.A/Get/x",
    ] {
        assert_eq!(rule_for(rules, path), None, "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn compiled_router_agrees_with_the_literal_reading(
        resources in a_folder(), requests in prop::collection::vec(a_request(), 8),
    ) {
        let snapshot = compiled_resources(&resources);
        for request in requests {
            let expected = literal_route(&resources, &request);
            let got = compiled_route(&snapshot, &request);
            prop_assert_eq!(got, expected, "{:?}\n{}", request, snapshot);
        }
    }
}
