//! Listening sockets and client connections.
//!
//! In: the sockets that a snapshot needs. Out: connections, each passed to the application together with
//! its [`Connection`], and a [`BindFailure`] for every socket that can't be bound.
//!
//! A reload binds new sockets ([`Sockets::prepare`]), publishes its snapshot, and only then starts and stops
//! accepting ([`Sockets::commit`]), so no client connects to a listener without routes. A socket that a
//! reload doesn't change keeps its connections. This crate never matches routes and never reads the graph.

pub mod clock;
mod connection;
mod http1;
mod http2;
mod http_stream;
pub mod log_throttle;
mod meters;
pub mod proxy_protocol;
mod shared;
mod socket;
pub mod sweep;
mod tls;
mod worker;

pub use connection::Connection;
pub use connection::active_request::{ActiveRequest, HoldsRequest, HttpApp};
pub use connection::deadlines::Deadlines;
pub use http_stream::framing_error::FramingError;
pub use http2::windows::Windows;
pub use meters::Meters;
pub use shared::ListenOptions;
pub use socket::bind::{BindFailure, BindFailureReason};
pub use socket::inherited::{BoundSocket, InheritedSocket};
pub use socket::{Failures, Sockets};
pub use worker::Workers;
