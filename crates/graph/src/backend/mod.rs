//! Backend references, and the endpoints they resolve to.

pub(crate) mod app_protocol;
pub(crate) mod backend_ref;
pub mod endpoints;
