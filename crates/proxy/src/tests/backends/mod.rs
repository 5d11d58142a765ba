//! Connections to backends: protocols, TLS, time limits, retries, and long bodies.

mod backend_http2;
mod backend_tls;
mod deadlines;
mod failures;
mod retries;
mod timeouts;
pub(crate) mod upgrade;
mod uploads;
mod uploads_http2;
