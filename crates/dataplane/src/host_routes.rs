//! The routes of one hostname.
//!
//! In: the matches of all routes for a hostname. Out: the matches whose path fits a request, in order of precedence.

use super::Rule;
use super::matcher::{Matcher, PathMatch};
use super::path::PathTable;
use super::rank::MatchRank;
use super::request::RequestView;
use std::fmt;
use std::sync::Arc;

/// The routes of one hostname pattern. Immutable: the next snapshot shares it if none of its routes has changed.
#[derive(Debug, Default)]
pub struct HostRoutes {
    paths: PathTable,
    /// In order of precedence.
    candidates: Box<[Candidate]>,
    /// The path of each candidate, for `Display` only.
    origins: Box<[PathMatch]>,
}

/// One match of a rule, as `compile` passes it to the router.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The condition on the path.
    pub path: PathMatch,
    /// All other conditions.
    pub matcher: Arc<Matcher>,
    /// The rule that it belongs to.
    pub rule: Arc<Rule>,
    /// Its index among the matches of the rule.
    pub index: u32,
}

/// The conditions left to check once host and path fit, and the rule.
#[derive(Debug)]
pub(super) struct Candidate {
    /// `None` if every request matches.
    matcher: Option<Arc<Matcher>>,
    rule: Arc<Rule>,
}

impl HostRoutes {
    /// Compiles the matches of routes, which must be ordered from the oldest to the youngest: "the oldest Route based on
    /// creation timestamp; the Route appearing first in alphabetical order by '{namespace}/{name}'".
    pub fn new<'e>(routes: impl IntoIterator<Item = &'e [Entry]>) -> Self {
        let routes = (0..).zip(routes);
        let entries = routes.flat_map(|(age, route)| route.iter().map(move |entry| (age, entry)));
        let ranked = entries.map(|(age, entry)| (MatchRank::of(entry, age), entry));
        let mut ranked: Vec<(MatchRank<'_>, &Entry)> = ranked.collect();
        ranked.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let entries = || ranked.iter().map(|(_, entry)| *entry);
        let candidate = |entry: &Entry| Candidate {
            matcher: (!entry.matcher.is_empty()).then(|| entry.matcher.clone()),
            rule: entry.rule.clone(),
        };
        HostRoutes {
            paths: PathTable::build((0..).zip(entries().map(|entry| &entry.path))),
            candidates: entries().map(candidate).collect(),
            origins: entries().map(|entry| entry.path.clone()).collect(),
        }
    }

    /// Calls `take` with each match whose path fits, in order of precedence, until it returns a value.
    pub(super) fn find<'r, T>(
        &'r self,
        path: &str,
        take: impl Fn(&'r Candidate) -> Option<T>,
    ) -> Option<T> {
        self.paths.find(path, |range| {
            let candidates = self.candidates.get(range)?;
            candidates.iter().find_map(&take)
        })
    }

    /// Returns the rules in order of precedence. A rule with several matches is repeated.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.candidates.iter().map(|it| &it.rule)
    }
}

impl Candidate {
    /// Whether a request matches.
    pub(super) fn takes(&self, request: &RequestView<'_>) -> bool {
        self.matcher.as_ref().is_none_or(|it| it.takes(request))
    }

    /// Whether the request that a preflight request announces may match.
    pub(super) fn takes_announced(&self, request: &RequestView<'_>) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_none_or(|it| it.takes_announced(request))
    }

    /// Whether it depends on headers that only the announced request has.
    pub(super) fn depends_on_later_headers(&self) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_some_and(|it| it.depends_on_later_headers())
    }

    /// Whether it requires a method.
    pub(super) fn names_method(&self) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_some_and(|it| it.method.is_some())
    }

    /// Returns the rule.
    pub(super) fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }
}

/// One line per match, in order of precedence.
impl fmt::Display for HostRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, candidate) in self.origins.iter().zip(&self.candidates) {
            write!(f, "{path}")?;
            if let Some(matcher) = &candidate.matcher {
                write!(f, "{matcher}")?;
            }
            let Rule { route, index, .. } = &*candidate.rule;
            writeln!(f, " -> {route} rule {index}")?;
        }
        Ok(())
    }
}
