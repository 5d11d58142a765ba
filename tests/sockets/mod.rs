//! Sockets: addresses, listeners, and the connections of clients.

mod addresses;
mod client_limits;
mod connection_lifetime;
mod connections;
mod listener_sets;
mod listeners;
mod proxy_protocol;
mod stalled_streams;
