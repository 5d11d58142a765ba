//! The matches that are looked up together, in order of precedence.

use super::host_routes::RouteEntry;
use super::request::RequestView;
use super::route_match::{RequestConditions, RouteMatch};
use crate::Rule;
use hashbrown::HashSet;
use std::sync::Arc;

/// One match, with what a lookup reads of it.
#[derive(Debug)]
pub struct Candidate<M: RouteMatch> {
    /// The conditions left to check once host and key fit. `None` if every request matches.
    pub(super) conditions: Option<Arc<M::Conditions>>,
    pub(super) rule: Arc<Rule>,
    /// The whole match. No lookup reads it.
    pub(super) entry: Arc<RouteEntry<M>>,
}

impl<M: RouteMatch> Candidate<M> {
    fn new(entry: &Arc<RouteEntry<M>>) -> Self {
        Candidate {
            conditions: entry.matched.conditions().cloned(),
            rule: entry.rule.clone(),
            entry: entry.clone(),
        }
    }

    /// Whether a request matches.
    pub(super) fn matches(&self, request: &RequestView<'_>) -> bool {
        let conditions = self.conditions.as_ref();
        conditions.is_none_or(|it| it.matches(request))
    }
}

impl<M: RouteMatch> Clone for Candidate<M> {
    fn clone(&self) -> Self {
        Candidate {
            conditions: self.conditions.clone(),
            rule: self.rule.clone(),
            entry: self.entry.clone(),
        }
    }
}

/// Candidates in order of precedence. Nearly always there is only one, which needs no allocation.
#[derive(Clone, Debug)]
pub(super) enum Candidates<M: RouteMatch> {
    One(Candidate<M>),
    Many(Box<[Candidate<M>]>),
}

impl<M: RouteMatch> Default for Candidates<M> {
    fn default() -> Self {
        Candidates::Many(Box::default())
    }
}

impl<M: RouteMatch> Candidates<M> {
    pub(super) fn as_slice(&self) -> &[Candidate<M>] {
        match self {
            Candidates::One(one) => std::slice::from_ref(one),
            Candidates::Many(many) => many,
        }
    }
}

impl<M: RouteMatch> From<Vec<Candidate<M>>> for Candidates<M> {
    fn from(mut candidates: Vec<Candidate<M>>) -> Self {
        match candidates.pop() {
            Some(one) if candidates.is_empty() => Candidates::One(one),
            last => {
                candidates.extend(last);
                Candidates::Many(candidates.into())
            }
        }
    }
}

/// The matches to remove and to add, of those that are looked up together.
#[derive(Debug)]
pub(super) struct CandidateChange<'e, M: RouteMatch> {
    removed: HashSet<*const RouteEntry<M>>,
    added: Vec<&'e Arc<RouteEntry<M>>>,
}

impl<M: RouteMatch> Default for CandidateChange<'_, M> {
    fn default() -> Self {
        CandidateChange {
            removed: HashSet::new(),
            added: Vec::new(),
        }
    }
}

impl<'e, M: RouteMatch> CandidateChange<'e, M> {
    pub(super) fn remove(&mut self, entry: &'e Arc<RouteEntry<M>>) {
        self.removed.insert(Arc::as_ptr(entry));
    }

    pub(super) fn add(&mut self, entry: &'e Arc<RouteEntry<M>>) {
        self.added.push(entry);
    }

    /// Returns the candidates after the change, in order of precedence.
    pub(super) fn apply(&self, before: &[Candidate<M>]) -> Vec<Candidate<M>> {
        let kept = before.iter();
        let kept = kept.filter(|it| !self.removed.contains(&Arc::as_ptr(&it.entry)));
        let added = self.added.iter().map(|entry| Candidate::new(entry));
        let mut all: Vec<Candidate<M>> = kept.cloned().chain(added).collect();
        all.sort_unstable_by(|one, other| one.entry.rank().cmp(&other.entry.rank()));
        all
    }
}
