//! Matches of HTTPRoutes: their conditions in the form that requests are compared with.

use gatefold_dataplane::matcher::{Matcher, PathMatch, ValueMatch, pattern};
use gatefold_manifest::api::{HTTPRouteMatch, PathMatchType, ValueMatchType};
use http::{HeaderName, Method};
use regex::Regex;
use std::collections::HashMap;
use std::sync::Arc;

/// Regular expressions, each compiled once however often the manifests contain it.
#[derive(Default)]
pub(super) struct Patterns {
    known: HashMap<String, Option<Regex>>,
}

/// The number of expressions above which the next compilation starts with an empty cache. Their use isn't tracked; reused
/// rules keep their expressions.
const PATTERNS: usize = 1_000;

impl Patterns {
    /// Prepares for the next graph.
    pub(super) fn begin(&mut self) {
        if self.known.len() > PATTERNS {
            self.known.clear();
        }
    }

    fn get(&mut self, text: &str) -> Option<Regex> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let compiled = pattern(text).ok();
        self.known.insert(text.to_owned(), compiled.clone());
        compiled
    }
}

/// A match of a kind of route, which can be compiled.
pub(super) trait CompileMatch {
    /// Returns the condition on the path.
    fn path(&self) -> PathMatch;

    /// Returns the conditions except for the path. `None` if one of them can't be compiled, which the graph rules out: a
    /// condition is never left out.
    fn matcher(&self, patterns: &mut Patterns) -> Option<Matcher>;

    /// Returns the path that path modifiers replace.
    fn prefix(&self) -> &str;
}

impl CompileMatch for HTTPRouteMatch {
    fn path(&self) -> PathMatch {
        let value: Arc<str> = self.path.value.as_str().into();
        match self.path.kind {
            PathMatchType::Exact => PathMatch::Exact(value),
            PathMatchType::PathPrefix => PathMatch::Prefix(value),
            PathMatchType::RegularExpression => PathMatch::Regex(value),
        }
    }

    fn matcher(&self, patterns: &mut Patterns) -> Option<Matcher> {
        let mut headers = Vec::with_capacity(self.headers.len());
        for header in &self.headers {
            let name = HeaderName::from_bytes(header.name.as_str().as_bytes()).ok()?;
            headers.push((name, value(header.kind, &header.value, patterns)?));
        }
        let mut query: Vec<(Box<str>, ValueMatch)> = Vec::with_capacity(self.query_params.len());
        for param in &self.query_params {
            // Only the first match of a name counts (API: `HTTPRouteMatch.queryParams`).
            if query.iter().any(|(name, _)| **name == *param.name.as_str()) {
                continue;
            }
            let value = value(param.kind, &param.value, patterns)?;
            query.push((param.name.as_str().into(), value));
        }
        let method = match self.method {
            Some(method) => Some(Method::from_bytes(method.as_str().as_bytes()).ok()?),
            None => None,
        };
        Some(Matcher {
            method,
            headers,
            query,
        })
    }

    fn prefix(&self) -> &str {
        &self.path.value
    }
}

fn value(kind: ValueMatchType, text: &str, patterns: &mut Patterns) -> Option<ValueMatch> {
    match kind {
        ValueMatchType::Exact => Some(ValueMatch::Exact(text.into())),
        ValueMatchType::RegularExpression => patterns.get(text).map(ValueMatch::Regex),
    }
}
