//! Sockets: addresses, listeners, and the connections of clients.

mod addresses;
mod connections;
mod listener_sets;
mod listeners;
mod stalled_streams;
