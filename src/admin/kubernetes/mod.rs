//! The part of the admin API that follows the Kubernetes API, for kubectl and other clients of it.
//!
//! In: a path, the form that the client requests, and the [`Published`](crate::reload::Published) configuration. Out:
//! objects with their statuses, lists, tables and discovery documents in JSON, or a [`StatusError`]. Nothing can be
//! written or watched.

mod derived_name;
mod discovery;
mod gateway_service;
mod object;
mod presentation;
mod rest;
mod rest_path;
mod status_error;
mod table;

pub(super) use presentation::count_field;
pub(super) use rest::{Form, answer};
pub use rest_path::RestPath;
pub(super) use status_error::StatusError;
pub(super) use table::ACCEPT;
