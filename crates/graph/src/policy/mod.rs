//! Policies and the objects they attach to (GEP-713).

pub mod backend_tls_policy;
pub(crate) mod protection;
pub(crate) mod target;
pub(crate) mod unread_policy;
