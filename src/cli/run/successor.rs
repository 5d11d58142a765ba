//! Starts a new process that replaces this one.

use std::env;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use tracing::{info, warn};

/// Variables that systemd has set for this process only.
const OWN_VARIABLES: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// Starts the binary with the arguments of this process. A newer version may be installed at its path. The new process
/// connects to this one by itself.
///
/// # Errors
///
/// If it can't be started. A later failure is logged.
pub(super) fn start() -> io::Result<()> {
    let mut arguments = env::args_os();
    // The path as given and not resolved: it may be a link to the current version.
    let program = arguments.next().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for name in OWN_VARIABLES {
        command.env_remove(name);
    }
    let mut successor = command.spawn()?;
    // The successor outlives this process unless it fails.
    let wait = move || {
        info!(
            successor = successor.id(),
            "SIGUSR2: started a new gatefold for an upgrade"
        );
        match successor.wait() {
            Ok(status) => warn!(%status, "the new gatefold has ended; this one continues"),
            Err(error) => warn!(%error, "can't determine the state of the new gatefold"),
        }
    };
    let named = thread::Builder::new().name("successor".to_owned());
    named.spawn(wait).map(drop)
}
