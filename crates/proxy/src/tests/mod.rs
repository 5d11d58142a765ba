//! The proxy with real sockets: clients and backends made by hand or curl, snapshots made by hand.

mod backend_http2;
pub(crate) mod backend_tls;
mod client;
mod client_validation;
mod deadlines;
mod drain;
mod failures;
mod filters;
mod forwarding;
mod framing;
mod half_close;
mod http2;
mod http2_frames;
mod limit;
mod mirrors;
mod misdirected;
mod retries;
mod sockets;
mod support;
mod timeouts;
mod tls;
mod unread;
mod upgrade;
mod uploads;
