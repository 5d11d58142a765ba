use super::Rule;
use super::matcher::{Matcher, PathMatch};
use super::path::PathTable;
use super::rank::MatchRank;
use super::request::RequestView;
use std::fmt;
use std::sync::Arc;

/// The routes of one hostname pattern. Immutable, so that the next snapshot shares those of which nothing has changed.
#[derive(Debug, Default)]
pub struct HostRoutes {
    paths: PathTable,
    /// In order of precedence.
    candidates: Box<[Candidate]>,
    /// What each candidate was made of, for people; not read by requests.
    origins: Box<[PathMatch]>,
}

/// One match of one rule, as `compile` gives it to the router.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The path.
    pub path: PathMatch,
    /// Everything else.
    pub matcher: Arc<Matcher>,
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its place among the matches of its rule.
    pub index: u32,
}

/// What is left to compare when host and path fit, and what a request gets.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Nothing when it takes every request.
    matcher: Option<Arc<Matcher>>,
    rule: Arc<Rule>,
}

impl HostRoutes {
    /// Compiles the matches of routes. The routes come from the oldest to the youngest, as "the oldest Route based on
    /// creation timestamp; the Route appearing first in alphabetical order by '{namespace}/{name}'" says.
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

    /// Shows the matches whose path fits, in order of precedence, until `take` takes one.
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

    /// The rules, in order of precedence; one with several matches comes several times.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.candidates.iter().map(|it| &it.rule)
    }
}

impl Candidate {
    /// Whether a request matches.
    pub(super) fn takes(&self, request: &RequestView<'_>) -> bool {
        self.matcher.as_ref().is_none_or(|it| it.takes(request))
    }

    /// Whether a request may match that a preflight request announces.
    pub(super) fn takes_announced(&self, request: &RequestView<'_>) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_none_or(|it| it.takes_announced(request))
    }

    /// Whether it depends on headers that only the announced request will have.
    pub(super) fn depends_on_later_headers(&self) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_some_and(|it| it.depends_on_later_headers())
    }

    /// Whether requests must have a certain method.
    pub(super) fn names_method(&self) -> bool {
        let matcher = self.matcher.as_ref();
        matcher.is_some_and(|it| it.method.is_some())
    }

    /// What a request gets.
    pub(super) fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }
}

/// One line a match, in order of precedence.
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
