use std::env;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use tracing::{info, warn};

/// What systemd has given to this process alone.
const OWN: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// Starts the binary as this process was started; what lies at its path may be another version by now. The
/// new process takes over by itself.
///
/// # Errors
///
/// When it can't be started. That it fails later is logged.
pub(super) fn start() -> io::Result<()> {
    let mut arguments = env::args_os();
    // The path that was asked for and not what it led to then: it may be a link to the current version.
    let program = arguments.next().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for name in OWN {
        command.env_remove(name);
    }
    let mut successor = command.spawn()?;
    // It outlives this process, unless it fails.
    let wait = move || {
        info!(
            successor = successor.id(),
            "SIGUSR2: upgrading, a new gatefold is started"
        );
        match successor.wait() {
            Ok(status) => warn!(%status, "the new gatefold has ended: this one goes on"),
            Err(error) => warn!(%error, "what became of the new gatefold isn't known"),
        }
    };
    let named = thread::Builder::new().name("successor".to_owned());
    named.spawn(wait).map(drop)
}
