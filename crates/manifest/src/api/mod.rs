//! The types of the Kubernetes and Gateway API kinds that gatefold reads, with their validation rules.
//!
//! A value of one of these types has passed the checks of an API server: types, enumerations, patterns, lengths, ranges,
//! required fields and unknown fields. References to other objects are not resolved here.

mod backend_tls_policy;
mod check;
mod cluster;
mod cors;
mod duration;
mod external_auth;
mod filter;
mod gateway;
mod gateway_class;
mod http_match;
mod http_route;
mod listener;
mod listener_set;
mod meta;
mod policy_target;
mod primitive;
mod recorded_status;
mod reference;
mod reference_grant;
mod rule;
mod service;
mod session_persistence;

pub use backend_tls_policy::*;
pub use cluster::*;
pub use cors::*;
pub use duration::*;
pub use external_auth::*;
pub use filter::*;
pub use gateway::*;
pub use gateway_class::*;
pub use http_match::*;
pub use http_route::*;
pub use listener::*;
pub use listener_set::*;
pub use meta::*;
pub use policy_target::*;
pub use primitive::*;
pub use recorded_status::*;
pub use reference::*;
pub use reference_grant::*;
pub use service::*;
pub use session_persistence::*;

use super::schema::{choice, choice_text, object, read_field};
use check::{check_length, check_texts, check_unique, read_choice, refuse};
use reference::check_backend_port;
