//! Routes: their matches, filters and backends.

mod backend_ref;
mod cors;
mod external_auth;
mod grpc_route;
mod http_filter;
mod http_match;
mod http_route;
mod retry;
mod session_persistence;
mod timeouts;

pub use backend_ref::*;
pub use cors::*;
pub use external_auth::*;
pub use grpc_route::*;
pub use http_filter::*;
pub use http_match::*;
pub use http_route::*;
pub use retry::*;
pub use session_persistence::*;
pub use timeouts::*;
