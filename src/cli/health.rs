//! `gatefold health`: whether a running daemon is ready, for the health checks of containers.

use super::ask::ask;
use super::{Error, print};
use crate::admin::AdminAddress;
use anyhow::anyhow;
use std::process::ExitCode;
use std::time::Duration;

/// How long the daemon may take. One that is fine answers within milliseconds.
const DEADLINE: Duration = Duration::from_secs(3);

/// The arguments of `gatefold health`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The daemon's admin API.
    #[arg(
        long,
        value_name = "ADDR|unix:PATH",
        env = "GATEFOLD_ADMIN",
        default_value = "127.0.0.1:4283"
    )]
    admin: AdminAddress,
}

/// Ends with 0 when the daemon is ready, else with 1 and the reason.
pub(super) fn health(args: &Args) -> Result<ExitCode, Error> {
    let answer = ask(&args.admin, "/readyz", "*/*", DEADLINE)?;
    if answer.status == 200 {
        return print("ready\n");
    }
    let reason = String::from_utf8_lossy(&answer.body);
    Err(anyhow!("not ready: {}", reason.trim()).into())
}
