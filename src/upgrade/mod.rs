//! Upgrades without downtime: a new process gets the listening sockets of the running one.
//!
//! In: the path of a Unix socket (`--upgrade-socket`). The new process connects to it ([`find`]), receives
//! every listening socket as a file descriptor, starts to accept, and reports that ([`Predecessor::release`]). Only
//! then does the old process stop accepting and end; any earlier failure leaves it as it was. Afterwards
//! the new process listens at the path itself ([`HandoverListener`]). A socket that two processes hold has one
//! queue, so no connection is refused or reset. This module doesn't know what the sockets serve.

mod channel;
mod handover_listener;
mod message;
mod path;
mod predecessor;

pub use handover_listener::{Handover, HandoverListener, SocketsRequest};
pub use predecessor::{Predecessor, Release, find};

use std::io;
use std::path::PathBuf;

/// Why an upgrade isn't possible.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Other users can write to the folder of the socket, or own it.
    #[error(
        "--upgrade-socket: {0}: a user who can write there could take the sockets; choose a path in a folder \
         that only this user can access (mode 0700), such as /run/gatefold/upgrade.sock"
    )]
    Folder(String),
    /// A system call failed.
    #[error("--upgrade-socket {path}: {error}", path = path.display())]
    Socket {
        /// The path of the socket.
        path: PathBuf,
        /// The error of the system call.
        error: io::Error,
    },
    /// The running process refuses, or its messages make no sense.
    #[error("the running gatefold (process {process}) can't be replaced now: {reason}")]
    Refused {
        /// Its process id.
        process: i32,
        /// Its reason, or what is wrong with its messages.
        reason: String,
    },
}
