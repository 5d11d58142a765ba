//! Connections to endpoints: opening, sharing, timeouts, retries.

pub(crate) mod backend_tls;
pub(crate) mod deadline;
pub(crate) mod endpoint;
pub(crate) mod peer;
pub(crate) mod pool_key;
pub(crate) mod read_ahead;
pub(crate) mod retry;
pub(crate) mod side_request;
pub(crate) mod tls_cache;
pub(crate) mod upgrade;
pub(crate) mod watch;
