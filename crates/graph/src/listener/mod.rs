//! Listeners: their protocol, their certificates, the kinds of routes that may attach, and the traffic that they claim.
//!
//! In: the listeners of a Gateway or ListenerSet. Out: a [`ListenerNode`] for each of them, with its conditions. Sockets are
//! only named here, never bound.

mod build;
pub(crate) mod conflict;
mod listener_at;
mod node;
mod overlap;
mod owner;
mod protocol;
mod route_kinds;
mod served_hostnames;
mod serving;

pub(crate) use build::{ListenerContext, build};
pub(crate) use listener_at::ListenerAt;
pub use node::{ListenerId, ListenerNode};
pub use owner::ListenerOwner;
pub use protocol::Protocol;
pub(crate) use served_hostnames::ServedHostnames;
