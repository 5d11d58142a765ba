//! The flags for stand-ins: what takes the place of objects that the folder lacks. Shared by `run`, `check` and `dev`.

use crate::development_ca::{CERTIFICATE_FILE, DevelopmentCa};
use crate::environment::discovery::{CertificateSource, FixedBackend, Sources};
use crate::state_dir::StateDir;
use clap::builder::FalseyValueParser;
use gatefold_graph::stand_in::Exposure;
use std::path::{PathBuf, absolute};

/// The flags for stand-ins.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct StandInArgs {
    /// Serves Services without endpoints, and Services that aren't in the folder, from a built-in echo backend.
    #[arg(long, env = "GATEFOLD_ECHO", value_parser = FalseyValueParser::new())]
    pub(super) echo: bool,
    /// Serves certificates of a local development CA in place of Secrets that aren't in the folder, on loopback addresses only.
    /// `gatefold ca` shows how to trust the CA. For development, not for production.
    #[arg(long, env = "GATEFOLD_DEV_CERTIFICATES", value_parser = FalseyValueParser::new())]
    pub(super) dev_certificates: bool,
    /// Also serves certificates of --dev-certificates on addresses that other hosts can reach.
    #[arg(long, env = "GATEFOLD_DEV_CERTIFICATES_ALLOW_REMOTE", value_parser = FalseyValueParser::new())]
    dev_certificates_allow_remote: bool,
    /// Ignores all policies that gatefold can't enforce, and serves the routes that they protect without protection. By
    /// default these routes answer 500, or UNAVAILABLE for gRPC.
    #[arg(long, env = "GATEFOLD_DEV_ALLOW_AUTH", value_parser = FalseyValueParser::new())]
    pub(super) dev_allow_auth: bool,
    /// The folder for data that must survive a restart, such as the development CA [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/gatefold, else ~/.local/state/gatefold]. gatefold creates it when needed.
    #[arg(long, value_name = "DIR", env = "GATEFOLD_STATE_DIR")]
    pub(super) state_dir: Option<PathBuf>,
}

impl StandInArgs {
    /// The file of the development CA. `None` without `--dev-certificates`.
    pub(super) fn authority_file(&self) -> anyhow::Result<Option<PathBuf>> {
        if !self.dev_certificates {
            return Ok(None);
        }
        let state = StateDir::choose(self.state_dir.as_deref())?;
        Ok(Some(absolute(state.path(CERTIFICATE_FILE))?))
    }

    /// The sources of stand-ins, with a stored development CA.
    pub(super) fn sources(&self, fixed: Vec<FixedBackend>) -> anyhow::Result<Sources> {
        let authority = self.dev_certificates.then(|| {
            let state = StateDir::choose(self.state_dir.as_deref())?;
            DevelopmentCa::open(state)
        });
        Ok(self.sources_with(fixed, authority.transpose()?))
    }

    /// The sources of stand-ins for `check`, which writes nothing.
    pub(super) fn sources_in_memory(&self, fixed: Vec<FixedBackend>) -> anyhow::Result<Sources> {
        let authority = self.dev_certificates.then(DevelopmentCa::in_memory);
        Ok(self.sources_with(fixed, authority.transpose()?))
    }

    fn sources_with(&self, fixed: Vec<FixedBackend>, authority: Option<DevelopmentCa>) -> Sources {
        let exposure = if self.dev_certificates_allow_remote {
            Exposure::Any
        } else {
            Exposure::Loopback
        };
        Sources {
            fixed,
            echo: self.echo,
            certificates: authority.map(|authority| CertificateSource {
                authority,
                exposure,
            }),
        }
    }
}
