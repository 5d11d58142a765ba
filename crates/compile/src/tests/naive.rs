//! A literal reading of the specification: checks every match of every route against a request, and compares those that fit
//! by one rule of precedence after the other. It is slow, and independent of the compiled router. The sentences in quotes
//! are the API's.

use gatefold_manifest::Resources;
use gatefold_manifest::api::{
    HTTPHeaderMatch, HTTPPathMatch, HTTPQueryParamMatch, HTTPRoute, HTTPRouteMatch, Listener,
    ParentReference, PathMatchType, ValueMatchType,
};
use regex::Regex;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub host: String,
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// A match that fits the request.
struct Candidate<'a> {
    hostname: Option<String>,
    spec: HTTPRouteMatch,
    route: &'a HTTPRoute,
    rule: usize,
    index: usize,
}

/// Returns the route that matches a request, as `namespace/name`, and the index of the matching rule.
pub fn route(resources: &Resources, request: &Request) -> Option<(String, usize)> {
    let gateway = resources.gateways.values().next()?;
    let listener = listener(&gateway.spec.listeners, request)?;
    let mut candidates = Vec::new();
    for route in resources.http_routes.values() {
        let mut parents = route.spec.parent_refs.iter();
        if parents.any(|parent| selects(parent, listener)) {
            collect(route, listener, request, &mut candidates);
        }
    }
    let best = candidates
        .iter()
        .min_by(|left, right| precedence(left, right))?;
    Some((full_name(best.route), best.rule))
}

/// Only "the most specific matching Listener" receives the request.
fn listener<'a>(listeners: &'a [Listener], request: &Request) -> Option<&'a Listener> {
    let name = |it: &Listener| it.hostname.as_ref().map(|it| it.as_str().to_owned());
    let mut fitting: Vec<&Listener> = listeners.iter().collect();
    fitting.retain(|it| hostname_fits(name(it).as_deref(), &request.host));
    fitting
        .into_iter()
        .max_by_key(|it| specificity(name(it).as_deref()))
}

fn selects(parent: &ParentReference, listener: &Listener) -> bool {
    let section = parent.section_name.as_ref();
    section.is_none_or(|it| *it == listener.name)
}

fn collect<'a>(
    route: &'a HTTPRoute,
    listener: &Listener,
    request: &Request,
    candidates: &mut Vec<Candidate<'a>>,
) {
    let of_listener = listener.hostname.as_ref().map(|it| it.as_str());
    let hostnames = route.spec.hostnames.iter().map(|it| Some(it.as_str()));
    let mut hostnames: Vec<Option<&str>> = hostnames.collect();
    if hostnames.is_empty() {
        hostnames.push(None);
    }
    // "If both the Listener and HTTPRoute have specified hostnames, any HTTPRoute hostnames that do not match the
    // Listener hostname MUST be ignored."
    hostnames.retain(|it| intersection(of_listener, *it).is_some());
    // "Implementations SHOULD evaluate precedence using the original hostnames configured on the Route, not the
    // calculated Listener/Route hostname intersection."
    let original = hostnames.into_iter().map(|it| it.map(str::to_owned));
    for hostname in original.filter(|it| hostname_fits(it.as_deref(), &request.host)) {
        for (index, rule) in route.spec.rules.iter().enumerate() {
            // "If no matches are specified, the default is a prefix path match on '/'."
            let mut matches = rule.matches.clone();
            if matches.is_empty() {
                matches.push(HTTPRouteMatch::default());
            }
            for (match_index, spec) in matches.into_iter().enumerate() {
                if fits(&spec, request) {
                    candidates.push(Candidate {
                        hostname: hostname.clone(),
                        spec,
                        route,
                        rule: index,
                        index: match_index,
                    });
                }
            }
        }
    }
}

/// Returns the intersection of two hostnames. `None` if it is empty, `Some(None)` if it is any name.
fn intersection(one: Option<&str>, other: Option<&str>) -> Option<Option<String>> {
    let (Some(a), Some(b)) = (one, other) else {
        return Some(one.or(other).map(str::to_owned));
    };
    let narrow = match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (None, None) => (a == b).then_some(a),
        (Some(suffix), None) => b.ends_with(suffix).then_some(b),
        (None, Some(suffix)) => a.ends_with(suffix).then_some(a),
        (Some(x), Some(y)) if x.ends_with(y) => Some(a),
        (Some(x), Some(y)) => y.ends_with(x).then_some(b),
    };
    narrow.map(|it| Some(it.to_owned()))
}

/// "A match for `*.example.com` would match both `test.example.com`, and `foo.test.example.com`, but not
/// `example.com`."
fn hostname_fits(hostname: Option<&str>, host: &str) -> bool {
    match hostname {
        None => true,
        Some(name) => match name.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == name,
        },
    }
}

/// "The largest number of: characters in a matching non-wildcard hostname; characters in a matching hostname."
fn specificity(hostname: Option<&str>) -> (usize, usize) {
    let all = hostname.map_or(0, str::len);
    let wildcard = hostname.is_some_and(|it| it.starts_with('*'));
    (if wildcard { 0 } else { all }, all)
}

fn precedence(left: &Candidate<'_>, right: &Candidate<'_>) -> Ordering {
    let most = |count: fn(&Candidate<'_>) -> usize| count(right).cmp(&count(left));
    let is = |kind: PathMatchType| {
        let is = |it: &Candidate<'_>| it.spec.path.kind == kind;
        is(right).cmp(&is(left))
    };
    let hostname = |it: &Candidate<'_>| specificity(it.hostname.as_deref());
    let age = |it: &Candidate<'_>| it.route.meta.creation_timestamp;
    hostname(right)
        .cmp(&hostname(left))
        // "'Exact' path match."
        .then(is(PathMatchType::Exact))
        // "The precedence of RegularExpression path matches are implementation-specific": gatefold's is here.
        .then(is(PathMatchType::RegularExpression))
        // "'Prefix' path match with largest number of characters."
        .then(most(|it| path_length(&it.spec.path)))
        // "Method match."
        .then(most(|it| usize::from(it.spec.method.is_some())))
        // "Largest number of header matches."
        .then(most(|it| it.spec.headers.len()))
        // "Largest number of query param matches."
        .then(most(|it| it.spec.query_params.len()))
        // "The oldest Route based on creation timestamp"; a route without a timestamp is older than any other.
        .then(age(left).cmp(&age(right)))
        // "The Route appearing first in alphabetical order by '{namespace}/{name}'."
        .then(full_name(left.route).cmp(&full_name(right.route)))
        // "The FIRST matching rule (in list order)."
        .then(left.rule.cmp(&right.rule))
        .then(left.index.cmp(&right.index))
}

fn full_name(route: &HTTPRoute) -> String {
    format!("{}/{}", route.meta.namespace, route.meta.name)
}

/// "When specified, a trailing `/` is ignored." Exact paths that fit one request are equal.
fn path_length(path: &HTTPPathMatch) -> usize {
    match path.kind {
        PathMatchType::Exact => 0,
        PathMatchType::PathPrefix => path.value.trim_end_matches('/').len(),
        PathMatchType::RegularExpression => path.value.len(),
    }
}

/// "The match will evaluate to true only if all conditions are satisfied."
fn fits(spec: &HTTPRouteMatch, request: &Request) -> bool {
    let mut conditions = vec![path_fits(&spec.path, &request.path)];
    conditions.extend(spec.method.map(|it| it.as_str() == request.method));
    conditions.extend(spec.headers.iter().map(|it| header_fits(it, request)));
    conditions.extend(
        spec.query_params
            .iter()
            .map(|it| parameter_fits(it, request)),
    );
    conditions.into_iter().all(|it| it)
}

fn path_fits(path: &HTTPPathMatch, sent: &str) -> bool {
    match path.kind {
        PathMatchType::Exact => sent == path.value,
        PathMatchType::RegularExpression => pattern_fits(&path.value, sent),
        // "The paths `/abc`, `/abc/`, and `/abc/def` would all match the prefix `/abc`, but the path `/abcd`
        // would not."
        PathMatchType::PathPrefix => {
            let prefix = path.value.trim_end_matches('/');
            prefix.is_empty() || sent == prefix || sent.starts_with(&format!("{prefix}/"))
        }
    }
}

pub(super) fn header_fits(spec: &HTTPHeaderMatch, request: &Request) -> bool {
    let same = |name: &str| name.eq_ignore_ascii_case(spec.name.as_str());
    let values = request.headers.iter().filter(|(name, _)| same(name));
    let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
    !values.is_empty() && value_fits(spec.kind, &spec.value, &values.join(","))
}

/// "It is recommended that implementations should match against the first value of the param."
fn parameter_fits(spec: &HTTPQueryParamMatch, request: &Request) -> bool {
    let query = request.query.as_deref().unwrap_or_default();
    let pairs = query
        .split('&')
        .map(|it| it.split_once('=').unwrap_or((it, "")));
    let mut decoded = pairs.map(|(name, value)| (decode(name), decode(value)));
    let first = decoded.find(|(name, _)| name == spec.name.as_str());
    first.is_some_and(|(_, value)| value_fits(spec.kind, &spec.value, &value))
}

/// Decodes the escapes that the requests in these tests contain.
fn decode(text: &str) -> String {
    text.replace('+', " ")
        .replace("%31", "1")
        .replace("%2c", ",")
        .replace("%61", "a")
}

fn value_fits(kind: ValueMatchType, value: &str, sent: &str) -> bool {
    match kind {
        ValueMatchType::Exact => sent == value,
        ValueMatchType::RegularExpression => pattern_fits(value, sent),
    }
}

/// Whether a pattern matches the whole text.
pub(super) fn pattern_fits(pattern: &str, text: &str) -> bool {
    static COMPILED: OnceLock<Mutex<HashMap<String, Regex>>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(Mutex::default);
    let mut compiled = compiled.lock().expect("no test panics in here");
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| {
        Regex::new(&format!(r"\A(?:{pattern})\z")).expect("the patterns here are good")
    });
    regex.is_match(text)
}
