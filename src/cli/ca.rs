//! `gatefold ca`: prints the certificate of the development CA.

use super::{Error, print};
use crate::dev::quote;
use crate::development_ca::CERTIFICATE_FILE;
use crate::state_dir::StateDir;
use crate::telemetry::write_line;
use anyhow::anyhow;
use std::path::{PathBuf, absolute};
use std::process::ExitCode;

/// The arguments of `gatefold ca`.
#[derive(Debug, clap::Args)]
pub(super) struct CaArgs {
    /// The folder of the CA [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/gatefold, else ~/.local/state/gatefold].
    #[arg(long, value_name = "DIR", env = "GATEFOLD_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

/// Prints the certificate to standard output, and how to trust it to standard error.
pub(super) fn ca(args: &CaArgs) -> Result<ExitCode, Error> {
    let state = StateDir::choose(args.state_dir.as_deref())?;
    let certificate = state.read(CERTIFICATE_FILE)?.ok_or_else(|| {
        let file = state.path(CERTIFICATE_FILE);
        anyhow!(
            "there is no development CA yet ({}); `gatefold dev DIR` or `gatefold run --dev-certificates` makes one",
            file.display()
        )
    })?;
    let file = absolute(state.path(CERTIFICATE_FILE))?;
    let file = quote(&file.display().to_string());
    write_line(format_args!(
        "The development CA of gatefold. It can only sign certificates for the names that gatefold has served.
Trust it in one curl call: curl --cacert {file} https://...
Trust it on Debian:        sudo install -m 644 {file} /usr/local/share/ca-certificates/gatefold.crt && sudo update-ca-certificates
Trust it on Fedora:        sudo trust anchor {file}
Trust it on macOS:         sudo security add-trusted-cert -d -k /Library/Keychains/System.keychain {file}
Firefox and Chrome on Linux have certificate stores of their own: import the file in their settings."
    ));
    print(certificate)
}
