//! What the router needs of a kind of match.
//!
//! HTTPRoute's matches are in [`http_match`](super::http_match). Another kind of route brings its own match, rank and index;
//! hostnames, ages, rules and the order among them are the same for all.

use super::request::RequestView;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A match of a rule, without the hostname. It consists of a part that is looked up and conditions that are checked.
///
/// `Display` shows all of it, in one line.
pub trait RouteMatch: Clone + fmt::Debug + fmt::Display + Sized {
    /// Looks up the matches that may fit a request.
    type Index: MatchIndex<Self> + fmt::Debug;
    /// The conditions that are checked one by one.
    type Conditions: RequestConditions + fmt::Debug;
    /// The precedence among the matches of a hostname, as far as the match decides it. The least rank wins.
    type Rank<'m>: Ord
    where
        Self: 'm;

    /// Returns the precedence.
    fn rank(&self) -> Self::Rank<'_>;

    /// Returns the conditions. `None` if every request that the index finds matches.
    fn conditions(&self) -> Option<&Arc<Self::Conditions>>;
}

/// Conditions of a match.
pub trait RequestConditions {
    /// Whether a request meets all of them.
    fn matches(&self, request: &RequestView<'_>) -> bool;
}

/// The matches of a hostname, compiled for lookup.
pub trait MatchIndex<M> {
    /// Builds the index of matches, which are in order of precedence.
    fn build<'m>(matches: impl Iterator<Item = &'m M>) -> Self
    where
        M: 'm;

    /// Calls `take` with the positions of the matches that fit a request, in order of precedence, until it returns a value.
    fn find<T>(
        &self,
        request: &RequestView<'_>,
        take: impl FnMut(Range<usize>) -> Option<T>,
    ) -> Option<T>;
}
