//! The cost of routing a request by the number of routes, and the cost of normalising a path.
//!
//! Routing is measured with one repeated request, and with requests spread over all routes, which shows the effect of the
//! processor's caches. Run with `./x bench router`; each figure is the time of one lookup.

use criterion::{Criterion, criterion_group, criterion_main};
use gatefold_dataplane::filter::Filters;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::routing::host_routes::{HostRoutes, RouteEntry};
use gatefold_dataplane::routing::http_match::HttpMatch;
use gatefold_dataplane::routing::matcher::{Matcher, PathMatch};
use gatefold_dataplane::routing::rank::RouteAge;
use gatefold_dataplane::routing::request::RequestView;
use gatefold_dataplane::routing::router::Router;
use gatefold_dataplane::{Action, Rule, RuleId};
use http::{HeaderMap, Method, StatusCode};
use std::hint::black_box;
use std::sync::Arc;

const SIZES: [usize; 3] = [1, 100, 10_000];

/// How the routes of a table differ from each other.
#[derive(Clone, Copy)]
enum By {
    Exact,
    Prefix,
    Hostname,
}

impl By {
    fn label(self) -> &'static str {
        match self {
            By::Exact => "exact paths",
            By::Prefix => "prefixes",
            By::Hostname => "hostnames",
        }
    }

    fn entry(self, at: usize) -> Arc<RouteEntry> {
        let (_, path) = self.target(at);
        Arc::new(RouteEntry {
            matched: HttpMatch {
                path: match self {
                    By::Exact => PathMatch::Exact(path.into()),
                    By::Prefix => PathMatch::Prefix(path.trim_end_matches("/users/7").into()),
                    By::Hostname => PathMatch::Prefix("/".into()),
                },
                matcher: Arc::new(Matcher::default()),
            },
            index: 0,
            age: RouteAge::default(),
            rule: Arc::new(Rule {
                id: RuleId {
                    kind: "HTTPRoute",
                    route: format!("default/route-{at}").into(),
                    index: 0,
                },
                filters: Filters::default(),
                timeouts: Default::default(),
                retry: None,
                durations: Arc::default(),
                action: Action::Refuse(StatusCode::NOT_FOUND),
            }),
        })
    }

    /// A router with `size` routes, each with one match.
    fn router(self, size: usize) -> Router {
        let entries: Vec<_> = (0..size).map(|at| self.entry(at)).collect();
        match self {
            By::Exact | By::Prefix => {
                let host = self.target(0).0;
                Router::new([(Some(&*host), Arc::new(HostRoutes::new(&entries)))])
            }
            By::Hostname => {
                let hosts: Vec<String> = (0..size).map(|at| self.target(at).0).collect();
                let routes = entries.chunks(1).map(|one| Arc::new(HostRoutes::new(one)));
                Router::new(hosts.iter().map(|host| Some(&**host)).zip(routes))
            }
        }
    }

    /// The host and path of a request that route `at` matches. They have the same length for all routes.
    fn target(self, at: usize) -> (String, String) {
        match self {
            By::Exact => ("www.example.com".into(), format!("/api/service-{at:05}")),
            By::Prefix => {
                let path = format!("/api/service-{at:05}/users/7");
                ("www.example.com".into(), path)
            }
            By::Hostname => (format!("site-{at:05}.example.com"), "/users/7".into()),
        }
    }
}

fn route(router: &Router, (host, path): &(String, String), headers: &HeaderMap) -> usize {
    let request = RequestView {
        version: http::Version::HTTP_11,
        host,
        method: &Method::GET,
        path,
        query: None,
        headers,
    };
    let rule = router.route(black_box(&request));
    rule.expect("every request has a route").id.route.len()
}

fn lookups(criterion: &mut Criterion) {
    let headers = HeaderMap::new();
    for by in [By::Exact, By::Prefix, By::Hostname] {
        let mut group = criterion.benchmark_group(by.label());
        for size in SIZES {
            let router = by.router(size);
            let same = by.target(size / 2);
            group.bench_function(format!("same request, {size}"), |bencher| {
                bencher.iter(|| route(&router, &same, &headers));
            });
            // A step that is coprime to every size visits all routes in an order that the processor can't predict.
            let targets: Vec<_> = (0..size).map(|at| by.target(at * 7_919 % size)).collect();
            let mut turn = targets.iter().cycle();
            group.bench_function(format!("spread, {size}"), |bencher| {
                bencher.iter(|| turn.next().map(|target| route(&router, target, &headers)));
            });
        }
        group.finish();
    }
}

fn compiling(criterion: &mut Criterion) {
    let entries: Vec<_> = (0..10_000).map(|at| By::Prefix.entry(at)).collect();
    criterion.bench_function("compiling 10000 prefixes", |bencher| {
        bencher.iter_with_large_drop(|| HostRoutes::new(black_box(&entries)));
    });
    let routes = HostRoutes::new(&entries);
    let mut edits = entries.iter().cycle();
    criterion.bench_function("replacing one of 10000 prefixes", |bencher| {
        bencher.iter_with_large_drop(|| {
            let mut next = routes.clone();
            let entry = edits.next().map(std::slice::from_ref).unwrap_or_default();
            next.replace(black_box(entry), black_box(entry));
            next
        });
    });
}

fn normalising(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normalising a path");
    for path in [
        "/api/users/7",
        "/api/service-00042/users/7",
        "/files/a%2Fb%20c/d",
        "/a/../%61dmin//x",
    ] {
        group.bench_function(path, |bencher| {
            bencher.iter(|| {
                let on = PathNormalization::On;
                let normal = on.normalize(black_box(path)).expect("a normal form");
                on.for_matching(&normal).len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lookups, compiling, normalising);
criterion_main!(benches);
