//! The routes of one hostname.
//!
//! In: the matches of all routes for a hostname. Out: the matches that fit a request, in order of precedence.

use super::http_match::HttpMatch;
use super::rank::MatchRank;
use super::request::RequestView;
use super::route_match::{MatchIndex, RequestConditions, RouteMatch};
use crate::Rule;
use std::fmt;
use std::sync::Arc;

/// The routes of one hostname pattern. Immutable: the next snapshot shares it if none of its routes has changed.
#[derive(Debug)]
pub struct HostRoutes<M: RouteMatch = HttpMatch> {
    index: M::Index,
    /// In order of precedence.
    candidates: Box<[Candidate<M>]>,
    /// The match of each candidate, for `Display` only.
    origins: Box<[M]>,
}

/// One match of a rule, as `compile` passes it to the router.
#[derive(Clone, Debug)]
pub struct RouteEntry<M = HttpMatch> {
    /// The match.
    pub matched: M,
    /// The rule that it belongs to.
    pub rule: Arc<Rule>,
    /// Its index among the matches of the rule.
    pub index: u32,
}

/// The conditions left to check once host and index fit, and the rule.
#[derive(Debug)]
pub(super) struct Candidate<M: RouteMatch> {
    /// `None` if every request matches.
    pub(super) conditions: Option<Arc<M::Conditions>>,
    pub(super) rule: Arc<Rule>,
}

impl<M: RouteMatch> HostRoutes<M> {
    /// Compiles the matches of routes, which must be ordered from the oldest to the youngest: "the oldest Route based on
    /// creation timestamp; the Route appearing first in alphabetical order by '{namespace}/{name}'".
    pub fn new<'e>(routes: impl IntoIterator<Item = &'e [RouteEntry<M>]>) -> Self
    where
        M: 'e,
    {
        let routes = (0..).zip(routes);
        let entries = routes.flat_map(|(age, route)| route.iter().map(move |entry| (age, entry)));
        let ranked = entries.map(|(age, entry)| (MatchRank::of(entry, age), entry));
        let mut ranked: Vec<(MatchRank<M::Rank<'e>>, &RouteEntry<M>)> = ranked.collect();
        ranked.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let entries = || ranked.iter().map(|(_, entry)| *entry);
        let candidate = |entry: &RouteEntry<M>| Candidate {
            conditions: entry.matched.conditions().cloned(),
            rule: entry.rule.clone(),
        };
        HostRoutes {
            index: M::Index::build(entries().map(|entry| &entry.matched)),
            candidates: entries().map(candidate).collect(),
            origins: entries().map(|entry| entry.matched.clone()).collect(),
        }
    }

    /// Calls `take` with each match that fits by the index, in order of precedence, until it returns a value.
    pub(super) fn find<'r, T>(
        &'r self,
        request: &RequestView<'_>,
        take: impl Fn(&'r Candidate<M>) -> Option<T>,
    ) -> Option<T> {
        self.index.find(request, |range| {
            let candidates = self.candidates.get(range)?;
            candidates.iter().find_map(&take)
        })
    }

    /// Returns the rules in order of precedence. A rule with several matches is repeated.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.candidates.iter().map(|it| &it.rule)
    }
}

impl<M: RouteMatch> Candidate<M> {
    /// Whether a request matches.
    pub(super) fn matches(&self, request: &RequestView<'_>) -> bool {
        let conditions = self.conditions.as_ref();
        conditions.is_none_or(|it| it.matches(request))
    }
}

/// One line per match, in order of precedence.
impl<M: RouteMatch> fmt::Display for HostRoutes<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (matched, candidate) in self.origins.iter().zip(&self.candidates) {
            writeln!(f, "{matched} -> {}", candidate.rule.id)?;
        }
        Ok(())
    }
}
