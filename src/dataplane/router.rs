use super::Rule;
use super::matcher::{Matcher, PathMatch};
use std::sync::Arc;

/// The routes of a listener.
#[derive(Debug, Default)]
pub struct Router {}

/// One match of one rule, as `compile` gives it to the router.
#[derive(Debug)]
pub struct Entry {
    /// The hostname pattern; any when absent.
    pub hostname: Option<Box<str>>,
    /// The path.
    pub path: PathMatch,
    /// Everything else.
    pub matcher: Matcher,
    /// What decides between entries that are alike in all of the above: the route's age, namespace and
    /// name as one rising number, then the rule's index, then the match's.
    pub order: (u32, u32, u32),
    /// The rule.
    pub rule: Arc<Rule>,
}
