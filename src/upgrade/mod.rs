//! Upgrades without a gap: a new process takes the listening sockets over from the one that runs.
//!
//! In: the path of a Unix socket (`--upgrade-socket`). The new process connects there ([`find`]), gets
//! every listening socket as a file descriptor, serves, and says so ([`Predecessor::release`]); only then
//! does the old one stop to accept and end. Whatever fails before that leaves the old one as it was. Then
//! the new process listens at the path itself ([`Doorway`]). A socket that two processes hold is the same
//! socket with the same queue, so no connection is refused or reset. Never here: what the sockets are for.

mod channel;
mod doorway;
mod message;
mod path;
mod predecessor;

pub use doorway::{Doorway, Host, Lease, Loan};
pub use predecessor::{Predecessor, Release, find};

use std::io;
use std::path::PathBuf;

/// Why there can be no upgrade.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder of the socket is nobody's, or anybody's.
    #[error(
        "--upgrade-socket: {0}: whoever may write there could take the sockets; choose a path in a folder \
         of this user alone (mode 0700), like /run/gatefold/upgrade.sock"
    )]
    Folder(String),
    /// The system refuses.
    #[error("--upgrade-socket {path}: {error}", path = path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The process that runs doesn't want to, or can't.
    #[error("the gatefold that runs (process {process}) can't be replaced now: {reason}")]
    Refused {
        /// Its id.
        process: i32,
        /// What it says, or what is wrong with what it says.
        reason: String,
    },
}
