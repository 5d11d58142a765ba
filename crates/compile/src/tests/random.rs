//! Compares the compiled router with the literal reading of the specification on random manifests. They have few names,
//! paths and values, so that several matches fit most requests.

use super::naive::{self, Request};
use super::{compiled_resources, take};
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::routing::request::RequestView;
use gatefold_manifest::api::{
    HTTPHeaderMatch, HTTPMethod, HTTPPathMatch, HTTPQueryParamMatch, HTTPRoute, HTTPRouteMatch,
    HTTPRouteRule, HeaderName, Hostname, PathMatchType, SectionName, Timestamp, ValueMatchType,
};
use gatefold_manifest::{Loader, Resources};
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// A Gateway with every listener that a case may have, and a template for routes.
static TEMPLATE: LazyLock<Resources> = LazyLock::new(|| {
    let text = r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway, namespace: gateways}
spec:
  gatewayClassName: any
  listeners:
  - {name: any, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}
  - {name: wild, protocol: HTTP, port: 80, hostname: '*.x.y', allowedRoutes: {namespaces: {from: All}}}
  - {name: exact, protocol: HTTP, port: 80, hostname: a.x.y, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec: {parentRefs: [{name: gateway, namespace: gateways}]}
";
    Loader::from_text("template.yaml", text).resources
});

const METHODS: [HTTPMethod; 2] = [HTTPMethod::Get, HTTPMethod::Post];

fn path() -> impl Strategy<Value = HTTPPathMatch> {
    let plain = ["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/b"];
    let kind = select(vec![PathMatchType::Exact, PathMatchType::PathPrefix]);
    let plain = (kind, select(plain.to_vec()));
    // Two patterns have the same length, so that the criteria after the length also decide.
    let patterns =
        ["/a.*", "/[ab]", "/a/.*", "/.*"].map(|it| (PathMatchType::RegularExpression, it));
    let path = prop_oneof![50 => plain, 1 => select(patterns.to_vec())];
    path.prop_map(|(kind, value)| HTTPPathMatch {
        kind,
        value: value.to_owned(),
    })
}

fn value() -> impl Strategy<Value = (ValueMatchType, String)> {
    let exact = select(vec!["1", "2", "1,2"]).prop_map(|it| (ValueMatchType::Exact, it.to_owned()));
    let pattern = Just((ValueMatchType::RegularExpression, "1.*".to_owned()));
    prop_oneof![60 => exact, 1 => pattern]
}

fn name(text: &str) -> HeaderName {
    HeaderName::parse(text).expect("a header name")
}

prop_compose! {
    fn one_match()(
        path in path(),
        method in prop::option::weighted(0.3, select(METHODS.to_vec())),
        headers in subsequence(vec!["h", "I"], 0..=2), header in value(), other in value(),
        parameters in subsequence(vec!["a", "b"], 0..=2), parameter in value(),
        plain in any::<bool>(),
    ) -> HTTPRouteMatch {
        if plain {
            return HTTPRouteMatch { path, ..HTTPRouteMatch::default() };
        }
        let values = [header, other];
        let headers = headers.into_iter().zip(values).map(|(header, (kind, value))| {
            HTTPHeaderMatch { kind, name: name(header), value }
        });
        let query_params = parameters.into_iter().map(|it| {
            let (kind, value) = parameter.clone();
            HTTPQueryParamMatch { kind, name: name(it), value }
        });
        HTTPRouteMatch {
            path, headers: headers.collect(), query_params: query_params.collect(), method,
        }
    }
}

prop_compose! {
    fn a_route()(
        namespace in select(vec!["n", "n-m", "o"]), name in select(vec!["p", "q"]),
        age in prop::option::of(0..2i64),
        section in prop::option::weighted(0.3, select(vec!["any", "wild", "exact"])),
        hostnames in subsequence(vec!["a.x.y", "b.x.y", "*.x.y", "*.b.x.y", "*.y"], 0..=3),
        rules in prop::collection::vec(prop::collection::vec(one_match(), 0..=3), 1..=3),
    ) -> HTTPRoute {
        let template = TEMPLATE.http_routes.values().next().expect("the template has a route");
        let mut route = HTTPRoute::clone(template);
        route.meta.namespace = namespace.into();
        route.meta.name = name.into();
        route.meta.creation_timestamp =
            age.map(|it| Timestamp(time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(it)));
        for parent in &mut route.spec.parent_refs {
            parent.section_name = section.map(|it| SectionName::parse(it).expect("a name"));
        }
        let hostnames = hostnames.into_iter();
        route.spec.hostnames = hostnames.map(|it| Hostname::parse(it).expect("a hostname")).collect();
        let rules = rules.into_iter();
        route.spec.rules = rules.map(|matches| HTTPRouteRule { matches, ..HTTPRouteRule::default() }).collect();
        route
    }
}

prop_compose! {
    pub(super) fn folder()(
        listeners in subsequence(vec![0, 1, 2], 1..=3),
        routes in prop::collection::vec(a_route(), 1..=6),
    ) -> Resources {
        let mut resources = TEMPLATE.clone();
        for gateway in Arc::make_mut(&mut resources.gateways).values_mut() {
            let gateway = Arc::make_mut(gateway);
            let all = std::mem::take(&mut gateway.spec.listeners);
            let kept = all.into_iter().enumerate().filter(|(index, _)| listeners.contains(index));
            gateway.spec.listeners = kept.map(|(_, it)| it).collect();
        }
        let routes = routes.into_iter().map(|it| (it.key(), Arc::new(it)));
        resources.http_routes = Arc::new(routes.collect::<BTreeMap<_, _>>());
        resources
    }
}

prop_compose! {
    pub(super) fn request()(
        host in select(vec!["a.x.y", "b.x.y", "c.b.x.y", "x.y", "z.y", "z"]),
        method in select(METHODS.to_vec()),
        path in select(vec!["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/b", "//a", "/a//b", "*"]),
        query in prop::option::of(select(vec!["a=1", "a=2&a=1", "b=%31", "%61=1&b=2", "a", "a=1%2c2", ""])),
        headers in subsequence(vec![("h", "1"), ("H", "2"), ("i", "1"), ("j", "1")], 0..=4),
    ) -> Request {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Request {
            host: host.to_owned(),
            method: method.as_str().to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: headers.into_iter().map(own).collect(),
        }
    }
}

pub(super) fn compiled_route(snapshot: &Snapshot, request: &Request) -> Option<(String, usize)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        headers.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    let request = RequestView {
        version: http::Version::HTTP_11,
        host: &request.host,
        method: &Method::from_bytes(request.method.as_bytes()).expect("a method"),
        path: &request.path,
        query: request.query.as_deref(),
        headers: &headers,
    };
    let rule = take(snapshot, &request)?;
    Some((rule.id.route.to_string(), rule.id.index))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn compiled_router_agrees_with_the_literal_reading(
        resources in folder(), requests in prop::collection::vec(request(), 8),
    ) {
        let snapshot = compiled_resources(&resources);
        for request in requests {
            let expected = naive::route(&resources, &request);
            let got = compiled_route(&snapshot, &request);
            prop_assert_eq!(got, expected, "{:?}\n{}", request, snapshot);
        }
    }
}
