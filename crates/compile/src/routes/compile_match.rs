//! Compiles matches: their conditions become the form that requests are compared with.

use gatefold_dataplane::routing::matcher::{Matcher, ValueMatch, pattern};
use gatefold_dataplane::routing::route_match::RouteMatch;
use gatefold_manifest::api::{HTTPHeaderMatch, ValueMatchType};
use http::HeaderName;
use regex::Regex;
use std::collections::HashMap;
use std::sync::Arc;

/// Regular expressions, each compiled once however often the manifests contain it.
#[derive(Default)]
pub(crate) struct Patterns {
    known: HashMap<String, Option<Regex>>,
    /// Shared by all matches without conditions, which most matches are.
    no_conditions: Arc<Matcher>,
}

/// The number of expressions above which the next compilation starts with an empty cache. Their use isn't tracked; reused
/// rules keep their expressions.
const PATTERNS: usize = 1_000;

impl Patterns {
    /// Prepares for the next graph.
    pub(crate) fn begin(&mut self) {
        if self.known.len() > PATTERNS {
            self.known.clear();
        }
    }

    /// Compiles the condition on the value of a header or a query parameter.
    pub(crate) fn value(&mut self, kind: ValueMatchType, text: &str) -> Option<ValueMatch> {
        match kind {
            ValueMatchType::Exact => Some(ValueMatch::Exact(text.into())),
            ValueMatchType::RegularExpression => self.get(text).map(ValueMatch::Regex),
        }
    }

    /// Compiles the conditions on headers.
    pub(crate) fn headers(
        &mut self,
        headers: &[HTTPHeaderMatch],
    ) -> Option<Vec<(HeaderName, ValueMatch)>> {
        let mut compiled = Vec::with_capacity(headers.len());
        for header in headers {
            let name = HeaderName::from_bytes(header.name.as_str().as_bytes()).ok()?;
            compiled.push((name, self.value(header.kind, &header.value)?));
        }
        Some(compiled)
    }

    /// Returns conditions to share between clones of a match.
    pub(crate) fn share(&self, conditions: Matcher) -> Arc<Matcher> {
        if conditions.is_empty() {
            self.no_conditions.clone()
        } else {
            Arc::new(conditions)
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

/// A match of a kind of route, as the graph has it.
pub(crate) trait CompileMatch {
    /// The compiled match.
    type Compiled: RouteMatch;

    /// Compiles the match. `None` if one of its conditions can't be compiled, which the graph rules out: a condition is never
    /// left out.
    fn compile(&self, patterns: &mut Patterns) -> Option<Self::Compiled>;

    /// Returns the path that path modifiers replace.
    fn prefix(&self) -> &str;
}
