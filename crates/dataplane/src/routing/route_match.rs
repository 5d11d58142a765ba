//! What the router needs of a kind of match.
//!
//! HTTPRoute's matches are in [`http_match`](super::http_match). Another kind of route brings its own match, rank and order
//! of lookups; hostnames, ages, rules and the order among them are the same for all.

use super::candidates::Candidate;
use super::host_routes::HostRoutes;
use super::path_patterns::PatternText;
use super::request::RequestView;
use std::fmt;
use std::sync::Arc;

/// A match of a rule, without the hostname. It consists of a part that is looked up and conditions that are checked.
///
/// `Display` shows all of it, in one line.
pub trait RouteMatch: Clone + fmt::Debug + fmt::Display + Sized {
    /// The conditions that are checked one by one.
    type Conditions: RequestConditions + fmt::Debug;
    /// The precedence among the matches of a hostname, as far as the match decides it. The least rank wins.
    type Rank<'m>: Ord
    where
        Self: 'm;
    /// What the patterns of matches refer to.
    const PATTERN_TEXT: PatternText;

    /// Returns the precedence.
    fn rank(&self) -> Self::Rank<'_>;

    /// Returns the key that the match is looked up by. Of two matches that fit the same path, the rank decides by the key
    /// first, in the order of [`find`](Self::find), unless the keys are equal.
    fn lookup_key(&self) -> LookupKey;

    /// Returns the pattern of the paths that fit. Called only if the key is [`LookupKey::Pattern`].
    fn pattern(&self) -> Arc<str>;

    /// Returns the conditions. `None` if every request that the lookup finds matches.
    fn conditions(&self) -> Option<&Arc<Self::Conditions>>;

    /// Calls `take` with each match whose key fits a request, in order of precedence, until it returns a value.
    fn find<'r, T>(
        routes: &'r HostRoutes<Self>,
        request: &RequestView<'_>,
        take: impl FnMut(&'r Candidate<Self>) -> Option<T>,
    ) -> Option<T>;
}

/// The key that a match is looked up by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookupKey {
    /// The whole path.
    Exact(Arc<str>),
    /// The beginning of the path, without a final slash. Never empty: see [`Any`](Self::Any).
    Prefix(Arc<str>),
    /// A regular expression. All of them are searched together.
    Pattern,
    /// Every path fits.
    Any,
}

/// Conditions of a match.
pub trait RequestConditions {
    /// Whether a request meets all of them.
    fn matches(&self, request: &RequestView<'_>) -> bool;
}
