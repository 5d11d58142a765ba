//! Routes: how they attach to listeners, which of their rules can be served, and the targets of their references.
//!
//! In: the routes of the folder, the Gateways and ListenerSets that gatefold serves, and the ports of Services. Out: a
//! [`RouteNode`] for each route, with its conditions for each parent. A kind of route implements the traits in `kind`, in a
//! module of its own; everything else is generic.

mod attachment;
mod build;
mod filter;
mod filter_advice;
mod filter_spec;
mod http_route;
mod kind;
mod match_id;
mod node;
mod object;
mod parent;
mod parent_references;
mod request_rule;
mod routes;
mod rule;
mod rule_context;
mod rule_problems;
mod served_elsewhere;
mod shadowed;

pub(crate) use build::build;
pub use http_route::HttpRoute;
pub use kind::RouteKind;
pub use node::{AnyRoute, Attachment, ParentNode, RouteNode, RouteNodes};
pub use routes::Routes;
pub use rule::{BackendNode, FilterNode, MirrorNode, RuleNode, TargetNode};
pub(crate) use served_elsewhere::hostnames_served_elsewhere;
pub(crate) use shadowed::shadowed_matches;
