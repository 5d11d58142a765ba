//! The rules of routes: which of them can be served as written, their filters and their backends.
//!
//! In: the rules of a route. Out: a [`RuleNode`] for each rule, and the problems for which rules are refused. A rule is never
//! dropped: a refused one answers 500.

mod envoy_format;
mod external_auth;
mod filter;
mod filter_advice;
mod filter_spec;
mod matches;
mod node;
mod request_rule;
mod rule_context;
mod rule_problems;
pub(super) mod value_match;

pub(crate) use envoy_format::literal_value;
pub(crate) use filter::unsendable;
pub(super) use filter_spec::{FilterSpec, ManifestFilter};
pub(super) use matches::{is_same_match, match_digests, matches};
pub use node::{
    AuthServerNode, BackendNode, ExternalAuthNode, FilterNode, MirrorNode, RuleNode, TargetNode,
};
pub(super) use request_rule::{
    BackendSpec, InvalidPath, LEFT_OUT, RequestRule, RuleMatches, build, names,
};
pub(super) use rule_context::RuleContext;
pub(super) use rule_problems::RuleProblems;
