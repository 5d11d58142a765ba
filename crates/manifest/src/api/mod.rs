//! The types of the Kubernetes and Gateway API kinds that gatefold reads, with their validation rules.
//!
//! A value of one of these types has passed the checks of an API server: types, enumerations, patterns, lengths, ranges,
//! required fields and unknown fields. References to other objects are not resolved here.

mod common;
mod gateways;
mod kubernetes;
mod policies;
mod routes;

pub use common::*;
pub use gateways::*;
pub use kubernetes::*;
pub use policies::*;
pub use routes::*;

use crate::decode::schema::{choice, object};
use common::field_check::{
    check_length, check_texts, check_union, check_unique, read_choice, refuse,
};
use common::reference::check_backend_port;
use common::rule;
