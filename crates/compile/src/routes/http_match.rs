//! Compiles the matches of HTTPRoutes.

use super::compile_match::{CompileMatch, Patterns};
use gatefold_dataplane::routing::http_match::HttpMatch;
use gatefold_dataplane::routing::matcher::{Matcher, PathMatch, ValueMatch};
use gatefold_manifest::api::{HTTPPathMatch, HTTPRouteMatch, PathMatchType};
use http::Method;
use std::sync::Arc;

impl CompileMatch for HTTPRouteMatch {
    type Compiled = HttpMatch;

    fn compile(&self, patterns: &mut Patterns) -> Option<HttpMatch> {
        let conditions = matcher(self, patterns)?;
        Some(HttpMatch {
            path: path(&self.path),
            matcher: patterns.share(conditions),
        })
    }

    fn prefix(&self) -> &str {
        &self.path.value
    }
}

/// Compiles the condition on the path.
fn path(path: &HTTPPathMatch) -> PathMatch {
    let value: Arc<str> = path.value.as_str().into();
    match path.kind {
        PathMatchType::Exact => PathMatch::Exact(value),
        PathMatchType::PathPrefix => PathMatch::Prefix(value),
        PathMatchType::RegularExpression => PathMatch::Regex(value),
    }
}

/// Compiles all other conditions.
fn matcher(one: &HTTPRouteMatch, patterns: &mut Patterns) -> Option<Matcher> {
    let headers = patterns.headers(&one.headers)?;
    let mut query: Vec<(Box<str>, ValueMatch)> = Vec::with_capacity(one.query_params.len());
    for param in &one.query_params {
        // Only the first match of a name counts (API: `HTTPRouteMatch.queryParams`).
        if query.iter().any(|(name, _)| **name == *param.name.as_str()) {
            continue;
        }
        let value = patterns.value(param.kind, &param.value)?;
        query.push((param.name.as_str().into(), value));
    }
    let method = match one.method {
        Some(method) => Some(Method::from_bytes(method.as_str().as_bytes()).ok()?),
        None => None,
    };
    Some(Matcher {
        method,
        headers,
        query,
    })
}
