//! The sockets that connections come in by.
//!
//! In: the socket addresses that a snapshot wants. Out: connections, each given to the application with
//! what is known of it ([`Connection`]); for every address that couldn't be bound a [`BindFailure`].
//! A reload binds what is new ([`Sockets::prepare`]), publishes its snapshot, and only then starts and
//! stops ([`Sockets::commit`]): no client meets a listener without routes. What a change doesn't touch
//! keeps its socket and its connections. Never here: routes, requests, the graph.

mod accept;
mod activated;
mod bind;
pub mod clock;
mod connection;
mod continues;
mod deadline;
mod frame_header;
mod frames;
mod header_block;
mod http1;
mod inherited;
mod kept_date;
mod limit;
mod linger;
pub mod log_throttle;
mod meters;
mod open_bodies;
mod phase;
mod refusal;
mod registry;
mod retry;
mod shared;
mod sockets;
mod stream;
mod sweep;
mod tls;
mod watched;
mod windows;

pub use bind::{BindFailure, BindFailureReason};
pub use connection::{Connection, InHand};
pub use deadline::Deadlines;
pub use inherited::Inherited;
pub use meters::Meters;
pub use refusal::Refusal;
pub use shared::Options;
pub use sockets::{Failures, Sockets};
pub use windows::Windows;
