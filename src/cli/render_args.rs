//! The flags of `--render`, shared by `run` and `check`.

use super::Error;
use crate::render::{RenderCommand, commands};
use std::path::PathBuf;
use std::time::Duration;

/// Manifests that commands print.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct RenderArgs {
    /// Also loads the manifests that this command prints, such as 'kubectl kustomize overlays/dev' or 'helm template app'. It is
    /// run by sh -c in the current folder. May be given several times.
    #[arg(long, value_name = "COMMAND", env = "GATEFOLD_RENDER")]
    pub(super) render: Vec<String>,
    /// Runs the commands of --render again when a file at or below this path changes. May be given several times. `check` runs
    /// them once.
    #[arg(
        long,
        value_name = "PATH",
        env = "GATEFOLD_RENDER_WATCH",
        value_delimiter = ','
    )]
    pub(super) render_watch: Vec<PathBuf>,
    /// Seconds that a command of --render may take.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "GATEFOLD_RENDER_TIMEOUT",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    render_timeout: u64,
}

impl RenderArgs {
    /// The commands.
    pub(super) fn commands(&self) -> Vec<RenderCommand> {
        commands(&self.render, Duration::from_secs(self.render_timeout))
    }

    /// Fails unless every path of `--render-watch` exists: a mistyped path is wrong usage.
    pub(super) fn paths_must_exist(&self) -> Result<(), Error> {
        for path in &self.render_watch {
            if let Err(error) = std::fs::metadata(path) {
                let path = path.display();
                let message = format!("can't watch the path `{path}` of --render-watch: {error}");
                return Err(Error::Usage(message));
            }
        }
        Ok(())
    }
}
