//! HTTP/2 as far as Pingora needs help with it (RFC 9113): frames of clients are followed, and `100 Continue` is written.

pub(crate) mod continues;
pub(crate) mod frame_header;
pub(crate) mod frames;
mod header_block;
mod open_bodies;
pub(crate) mod windows;
