//! HTTP/2 as far as Pingora needs help with it (RFC 9113): frames of clients are followed, and `100 Continue` is written.

pub(crate) mod continues;
pub(crate) mod frame_header;
pub(crate) mod frames;
mod header_block;
mod open_bodies;
pub(crate) mod settings;
pub(crate) mod windows;

/// The preface of a client with prior knowledge of HTTP/2 (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
