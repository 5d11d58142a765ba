//! The proxy with real sockets. Clients and backends are written here or are curl; snapshots are built by hand.

mod backends;
mod clients;
mod requests;
pub(crate) mod support;
