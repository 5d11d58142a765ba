//! Connections of clients: framing, TLS, limits, and the end of a connection.

mod client_validation;
mod drain;
mod framing;
mod half_close;
mod http2;
mod http2_frames;
mod limit;
mod misdirected;
mod sockets;
pub(crate) mod tls;
mod unread;
