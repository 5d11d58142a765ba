//! Listening sockets and client connections.
//!
//! In: the sockets that a snapshot needs. Out: connections, each passed to the application together with
//! its [`Connection`], and a [`BindFailure`] for every socket that can't be bound.
//!
//! A reload binds new sockets ([`Sockets::prepare`]), publishes its snapshot, and only then starts and stops
//! accepting ([`Sockets::commit`]), so no client connects to a listener without routes. A socket that a
//! reload doesn't change keeps its connections. This crate never matches routes and never reads the graph.

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
