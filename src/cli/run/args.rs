//! The command line of `gatefold run`.

use super::access_log_args::AccessLogArgs;
use crate::admin::AdminAddress;
use crate::cli::manifest_args::ManifestArgs;
use crate::cli::render_args::RenderArgs;
use crate::reload::Settings;
use crate::telemetry::{Format, Logging};
use crate::watch::WatchMode;
use clap::builder::FalseyValueParser;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The arguments of `gatefold run`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RunArgs {
    /// Folders or files of manifests, watched while it runs.
    #[arg(value_name = "DIR", required_unless_present_any = ["config_dir", "render"])]
    pub(super) dirs: Vec<PathBuf>,
    /// The same, as a flag; may be given several times.
    #[arg(long, value_name = "DIR", env = "GATEFOLD_CONFIG_DIR", num_args = 1..)]
    pub(super) config_dir: Vec<PathBuf>,
    /// Where the admin API listens.
    #[arg(
        long,
        value_name = "ADDR|unix:PATH",
        env = "GATEFOLD_ADMIN",
        default_value = "127.0.0.1:4283"
    )]
    pub(super) admin: AdminAddress,
    /// Allows an admin API address that other hosts can reach.
    #[arg(long, env = "GATEFOLD_ADMIN_ALLOW_REMOTE", value_parser = FalseyValueParser::new())]
    pub(super) admin_allow_remote: bool,
    /// How the manifests are interpreted.
    #[command(flatten)]
    pub(super) manifests: ManifestArgs,
    /// Manifests that commands print.
    #[command(flatten)]
    pub(super) render: RenderArgs,
    /// Only checks the folders, as `gatefold check` does.
    #[arg(long, env = "GATEFOLD_CHECK", value_parser = FalseyValueParser::new())]
    pub(super) check: bool,
    /// Scans the files every two seconds instead of relying on file events.
    #[arg(long, env = "GATEFOLD_POLL", value_parser = FalseyValueParser::new())]
    pub(super) poll: bool,
    /// Seconds that requests in flight may take after SIGTERM.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "GATEFOLD_DRAIN_TIMEOUT",
        default_value_t = 30
    )]
    pub(super) drain_timeout: u64,
    /// Unix socket for upgrades without downtime: a new gatefold gets the listening sockets of the running one there.
    #[arg(long, value_name = "PATH", env = "GATEFOLD_UPGRADE_SOCKET")]
    pub(super) upgrade_socket: Option<PathBuf>,
    /// Maximum number of open client connections; by default as many as the limit of file descriptors permits.
    #[arg(long, value_name = "N", env = "GATEFOLD_MAX_CONNECTIONS")]
    pub(super) max_connections: Option<NonZeroUsize>,
    /// Forwards header names to HTTP/1 backends as HTTP/1 clients spell them, for backends that distinguish Accept from
    /// accept; names are in lower case by default.
    #[arg(long, env = "GATEFOLD_PRESERVE_HEADER_CASE", value_parser = FalseyValueParser::new())]
    pub(super) preserve_header_case: bool,
    /// Format of log lines; by default text on a terminal and JSON elsewhere.
    #[arg(long, value_name = "FORMAT", env = "GATEFOLD_LOG_FORMAT")]
    pub(super) log_format: Option<Format>,
    /// Log level: error, warn, info, debug, trace, or directives in the form of RUST_LOG.
    #[arg(long, value_name = "LEVEL", env = "GATEFOLD_LOG_LEVEL")]
    pub(super) log_level: Option<String>,
    /// Access logs, and the header with the reason of an answer.
    #[command(flatten)]
    pub(super) access_log: AccessLogArgs,
    /// Number of threads that serve requests; by default one per processor.
    #[arg(long, value_name = "N", env = "GATEFOLD_THREADS")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Whether the table of `gatefold dev` is printed.
    #[arg(skip)]
    pub(super) prints_table: bool,
}

impl RunArgs {
    /// Sets what `gatefold dev` sets, unless flags say otherwise.
    pub(super) fn for_development(&mut self) {
        self.manifests.for_development();
        self.prints_table = true;
        // The table shows what the log would repeat.
        if std::env::var_os("RUST_LOG").is_none() {
            self.log_level.get_or_insert_with(|| "warn".to_owned());
        }
    }

    /// The settings for reloads.
    pub(super) fn settings(&self, roots: Vec<PathBuf>) -> Settings {
        Settings {
            roots,
            ..self.manifests.settings()
        }
    }

    /// The settings of the log.
    pub(super) fn logging(&self) -> Logging {
        Logging {
            format: self.log_format,
            level: self
                .log_level
                .clone()
                .or_else(|| std::env::var("RUST_LOG").ok()),
            access_log: self.access_log.are_events(),
        }
    }

    /// How changes of files are noticed.
    pub(super) fn watch_mode(&self) -> WatchMode {
        if self.poll {
            WatchMode::Poll
        } else {
            WatchMode::Events
        }
    }

    /// The number of threads that serve requests.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            NonZeroUsize::get,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Alone {
        #[command(flatten)]
        args: RunArgs,
    }

    #[test]
    fn accepts_folders_as_arguments_and_as_flags() {
        use clap::Parser as _;
        let alone = Alone::parse_from(["run", "a", "--config-dir", "b", "c", "--config-dir", "d"]);
        let names = |paths: &[PathBuf]| {
            paths
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&alone.args.dirs), ["a"]);
        assert_eq!(names(&alone.args.config_dir), ["b", "c", "d"]);
    }
}
