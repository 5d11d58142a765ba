//! `gatefold health`: whether a running daemon is ready, for the health checks of containers.

use super::daemon::DaemonArgs;
use super::{Error, print};
use anyhow::anyhow;
use std::process::ExitCode;
use std::time::Duration;

/// The time limit for the answer. A healthy daemon answers within milliseconds.
const DEADLINE: Duration = Duration::from_secs(3);

/// The arguments of `gatefold health`.
#[derive(Debug, clap::Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Succeeds if the daemon is ready. The error contains the reason.
pub(super) fn health(args: &HealthArgs) -> Result<ExitCode, Error> {
    let answer = args.daemon.get("/readyz", "*/*", DEADLINE)?;
    if answer.status == 200 {
        return print("ready\n");
    }
    let reason = String::from_utf8_lossy(&answer.body);
    Err(anyhow!("not ready: {}", reason.trim()).into())
}
