//! The types of the Kubernetes and Gateway API kinds that gatefold reads, with their validation rules.
//!
//! A value of one of these types has passed the checks of an API server: types, enumerations, patterns, lengths, ranges,
//! required fields and unknown fields. References to other objects are not resolved here.

mod common;
mod core;
mod gateway;
mod policy;
mod route;

pub use common::*;
pub use core::*;
pub use gateway::*;
pub use policy::*;
pub use route::*;

use crate::decode::schema::{choice, choice_text, object, read_field};
use common::field_check::{
    check_length, check_texts, check_union, check_unique, read_choice, refuse,
};
use common::reference::check_backend_port;
use common::rule;
