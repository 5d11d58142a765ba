//! The routes of one hostname.
//!
//! In: the matches of all routes for a hostname. Out: the matches that fit a request, in order of precedence. Matches that
//! are looked up by the same key are together, so an edit of a route affects only those that share a key with it.

use super::candidates::{Candidate, CandidateChange, Candidates};
use super::http_match::HttpMatch;
use super::path_patterns::PathPatterns;
use super::rank::{MatchRank, RouteAge};
use super::route_match::{LookupKey, RouteMatch};
use crate::Rule;
use crate::shared_map::SharedMap;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The routes of one hostname pattern. The next version shares what hasn't changed.
#[derive(Clone, Debug)]
pub struct HostRoutes<M: RouteMatch = HttpMatch> {
    /// By the whole path.
    exact: SharedMap<Candidates<M>>,
    /// By the beginning of the path: whole segments, without a final slash.
    prefixes: SharedMap<Candidates<M>>,
    /// The numbers of slashes in the keys of `prefixes` so far, each as a bit. The highest bit stands for all larger numbers.
    depths: u64,
    patterns: Option<Arc<PatternCandidates<M>>>,
    /// The matches that fit every path.
    any: Candidates<M>,
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
    /// The age of the route.
    pub age: RouteAge,
}

/// The matches whose paths are regular expressions.
#[derive(Debug)]
struct PatternCandidates<M: RouteMatch> {
    patterns: PathPatterns,
    candidates: Vec<Candidate<M>>,
}

impl<M: RouteMatch> Default for HostRoutes<M> {
    fn default() -> Self {
        HostRoutes {
            exact: SharedMap::default(),
            prefixes: SharedMap::default(),
            depths: 0,
            patterns: None,
            any: Candidates::default(),
        }
    }
}

impl<M: RouteMatch> HostRoutes<M> {
    /// Compiles matches, in any order.
    pub fn new(entries: &[Arc<RouteEntry<M>>]) -> Self {
        let mut routes = HostRoutes::default();
        routes.replace(&[], entries);
        routes
    }

    /// Removes matches and adds others. Matches are removed by identity, not by value.
    pub fn replace(&mut self, removed: &[Arc<RouteEntry<M>>], added: &[Arc<RouteEntry<M>>]) {
        let mut changes: BTreeMap<LookupKey, CandidateChange<'_, M>> = BTreeMap::new();
        for entry in removed {
            let change = changes.entry(entry.matched.lookup_key()).or_default();
            change.remove(entry);
        }
        for entry in added {
            let change = changes.entry(entry.matched.lookup_key()).or_default();
            change.add(entry);
        }
        for (key, change) in changes {
            match key {
                LookupKey::Exact(path) => apply(&change, path, &mut self.exact),
                LookupKey::Prefix(path) => {
                    self.depths |= depth_bit(path.bytes().filter(|it| *it == b'/').count());
                    apply(&change, path, &mut self.prefixes);
                }
                LookupKey::Pattern => {
                    let before = self.patterns.as_ref();
                    let before = before.map_or(&[][..], |it| &it.candidates);
                    self.patterns = PatternCandidates::new(change.apply(before));
                }
                LookupKey::Any => self.any = change.apply(self.any.as_slice()).into(),
            }
        }
    }

    /// Whether there are no matches.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Returns the matches with this whole path.
    pub(super) fn exact(&self, path: &str) -> &[Candidate<M>] {
        self.exact.get(path).map_or(&[], Candidates::as_slice)
    }

    /// Returns the matches with exactly this prefix.
    pub(super) fn prefix(&self, prefix: &str) -> &[Candidate<M>] {
        self.prefixes.get(prefix).map_or(&[], Candidates::as_slice)
    }

    /// Returns the matches that fit every path.
    pub(super) fn any(&self) -> &[Candidate<M>] {
        self.any.as_slice()
    }

    /// Calls `take` with the matches whose pattern fits, in order of precedence, until it returns a value.
    pub(super) fn find_pattern<'r, T>(
        &'r self,
        path: &str,
        mut take: impl FnMut(&'r Candidate<M>) -> Option<T>,
    ) -> Option<T> {
        let known = self.patterns.as_deref()?;
        let patterns = &known.patterns;
        patterns.find(path, |position| {
            known.candidates.get(position).and_then(&mut take)
        })
    }

    /// Calls `take` with the matches whose prefix fits, from the longest prefix to the shortest, until it returns a value.
    pub(super) fn find_prefix<'r, T>(
        &'r self,
        path: &str,
        mut take: impl FnMut(&'r Candidate<M>) -> Option<T>,
    ) -> Option<T> {
        let (mut prefix, mut depth) = self.longest_prefix(path)?;
        while depth > 0 {
            if self.depths & depth_bit(depth) != 0
                && let Some(taken) = self.prefix(prefix).iter().find_map(&mut take)
            {
                return Some(taken);
            }
            prefix = prefix.get(..prefix.rfind('/')?)?;
            depth -= 1;
        }
        None
    }

    /// Returns the longest beginning of a path that may be a known prefix, and the number of its slashes.
    fn longest_prefix<'p>(&self, path: &'p str) -> Option<(&'p str, usize)> {
        if self.prefixes.is_empty() || !path.starts_with('/') {
            return None;
        }
        let longest = self.prefixes.longest();
        let deepest = match self.depths.leading_zeros() {
            0 => usize::MAX,
            zeros => 63_usize.saturating_sub(zeros as usize),
        };
        let near = path.bytes().take(longest + 1).enumerate().skip(1);
        let mut slashes = near.filter(|(_, byte)| *byte == b'/');
        let (mut end, mut depth) = (0, 0);
        while depth < deepest {
            match slashes.next() {
                Some((slash, _)) => end = slash,
                None if path.len() <= longest => end = path.len(),
                None => break,
            }
            depth += 1;
            if end == path.len() {
                break;
            }
        }
        Some((path.get(..end)?, depth))
    }

    /// Returns all rules in no particular order. A rule with several matches is repeated.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.all().map(|it| &it.rule)
    }

    fn all(&self) -> impl Iterator<Item = &Candidate<M>> {
        let keyed = self.exact.values().chain(self.prefixes.values());
        let patterns = self.patterns.iter().flat_map(|it| &it.candidates);
        let keyed = keyed.chain([&self.any]).flat_map(Candidates::as_slice);
        keyed.chain(patterns)
    }
}

impl<M: RouteMatch> PatternCandidates<M> {
    /// Compiles the patterns of candidates, which are in order of precedence. `None` if there are no candidates.
    fn new(candidates: Vec<Candidate<M>>) -> Option<Arc<Self>> {
        if candidates.is_empty() {
            return None;
        }
        let patterns = candidates.iter().map(|it| it.entry.matched.pattern());
        let patterns: Vec<Arc<str>> = patterns.collect();
        Some(Arc::new(PatternCandidates {
            patterns: PathPatterns::new(&patterns, M::PATTERN_TEXT),
            candidates,
        }))
    }
}

/// Changes the matches that are looked up by a path.
fn apply<M: RouteMatch>(
    change: &CandidateChange<'_, M>,
    path: Arc<str>,
    map: &mut SharedMap<Candidates<M>>,
) {
    let before = map.get(&path).map_or(&[][..], Candidates::as_slice);
    let after = change.apply(before);
    if after.is_empty() {
        map.remove(&path);
    } else {
        map.insert(path, after.into());
    }
}

/// Returns the bit of `depths` for a number of slashes.
fn depth_bit(slashes: usize) -> u64 {
    1 << slashes.min(63)
}

impl<M: RouteMatch> RouteEntry<M> {
    /// Returns the precedence among the matches of a hostname.
    pub(super) fn rank(&self) -> MatchRank<'_, M::Rank<'_>> {
        MatchRank {
            matched: self.matched.rank(),
            age: self.age,
            route: &self.rule.id.route,
            rule: self.rule.id.index,
            index: self.index,
        }
    }
}

/// One line per match, in order of precedence.
impl<M: RouteMatch> fmt::Display for HostRoutes<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<&RouteEntry<M>> = self.all().map(|it| &*it.entry).collect();
        all.sort_unstable_by(|one, other| one.rank().cmp(&other.rank()));
        for entry in all {
            writeln!(f, "{} -> {}", entry.matched, entry.rule.id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
