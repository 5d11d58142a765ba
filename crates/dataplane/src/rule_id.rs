//! The identity of a rule.

use std::fmt;
use std::sync::Arc;

/// Identifies a rule within a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The route, as `namespace/name`.
    pub route: Arc<str>,
    /// The kind of the route, such as `HTTPRoute`.
    pub kind: &'static str,
    /// The index of the rule in the route, from 0.
    pub index: usize,
}

/// Names the rule by its route and index.
impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule {}", self.route, self.index)
    }
}
