//! The identity of a match within its route, and a digest of its conditions.

use gatefold_diagnostic::Pointer;

/// Identifies a match within its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MatchId {
    /// The rule's index in the route.
    pub rule: usize,
    /// The match's index in the rule. `None` if the rule has no matches and thus matches everything.
    pub index: Option<usize>,
}

impl MatchId {
    /// Returns the path of the match, or of its rule if the rule has no matches.
    pub fn pointer(self) -> Pointer {
        let rule = Pointer::spec().key("rules").index(self.rule);
        match self.index {
            Some(index) => rule.key("matches").index(index),
            None => rule,
        }
    }
}

/// A match of a route, in a form that is cheap to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MatchDigest {
    /// The match.
    pub id: MatchId,
    /// Equal for equal conditions.
    pub digest: u64,
}
