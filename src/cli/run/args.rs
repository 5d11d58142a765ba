use crate::admin::AdminAddress;
use crate::cli::manifest_args::ManifestArgs;
use crate::reload::Settings;
use crate::telemetry::{Format, Logging};
use clap::builder::FalseyValueParser;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The arguments of `gatefold run`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Folders or files of manifests, watched while it runs.
    #[arg(value_name = "DIR", required_unless_present = "config_dir")]
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
    /// Lets the admin API listen where other hosts reach it.
    #[arg(long, env = "GATEFOLD_ADMIN_ALLOW_REMOTE", value_parser = FalseyValueParser::new())]
    pub(super) admin_allow_remote: bool,
    /// What the manifests mean.
    #[command(flatten)]
    pub(super) manifests: ManifestArgs,
    /// Answers for Services without endpoints from a built-in echo backend.
    #[arg(long, env = "GATEFOLD_ECHO", value_parser = FalseyValueParser::new())]
    pub(super) echo: bool,
    /// Only checks the folders, as `gatefold check` does.
    #[arg(long, env = "GATEFOLD_CHECK", value_parser = FalseyValueParser::new())]
    pub(super) check: bool,
    /// Looks at the files every two seconds and doesn't rely on the system's events.
    #[arg(long, env = "GATEFOLD_POLL", value_parser = FalseyValueParser::new())]
    pub(super) poll: bool,
    /// How long requests may go on after SIGTERM, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "GATEFOLD_DRAIN_TIMEOUT",
        default_value_t = 30
    )]
    pub(super) drain_timeout: u64,
    /// Where a new gatefold takes the listening sockets over from the one that runs, without a gap.
    #[arg(long, value_name = "PATH", env = "GATEFOLD_UPGRADE_SOCKET")]
    pub(super) upgrade_socket: Option<PathBuf>,
    /// How many connections of clients may be open at once; by default as many as the limit of file descriptors
    /// leaves room for.
    #[arg(long, value_name = "N", env = "GATEFOLD_MAX_CONNECTIONS")]
    pub(super) max_connections: Option<NonZeroUsize>,
    /// Lets HTTP/1 backends have the names of header fields as HTTP/1 clients spell them, for those that take Accept
    /// and accept for two names; in lower case by default.
    #[arg(long, env = "GATEFOLD_PRESERVE_HEADER_CASE", value_parser = FalseyValueParser::new())]
    pub(super) preserve_header_case: bool,
    /// The form of log lines: text on a terminal and JSON elsewhere by default.
    #[arg(long, value_name = "FORMAT", env = "GATEFOLD_LOG_FORMAT")]
    pub(super) log_format: Option<Format>,
    /// How much is logged: error, warn, info, debug, trace, or directives as RUST_LOG has them.
    #[arg(long, value_name = "LEVEL", env = "GATEFOLD_LOG_LEVEL")]
    pub(super) log_level: Option<String>,
    /// Logs each request.
    #[arg(long, env = "GATEFOLD_ACCESS_LOG", value_parser = FalseyValueParser::new())]
    pub(super) access_log: bool,
    /// How many threads serve requests; one a processor by default.
    #[arg(long, value_name = "N", env = "GATEFOLD_THREADS")]
    pub(super) threads: Option<NonZeroUsize>,
}

impl Args {
    /// What the command line says about the manifests.
    pub(super) fn settings(&self, roots: Vec<PathBuf>) -> Settings {
        Settings {
            roots,
            controller_name: self.manifests.controller_name.clone(),
            addresses: self.manifests.address.clone(),
            address_pool: self.manifests.address_pool,
            port_map: self.manifests.port_map(),
            ignored_policies: self.manifests.ignore_policy.clone(),
            path_normalization: self.manifests.path_normalization(),
            ..Settings::default()
        }
    }

    /// How to log.
    pub(super) fn logging(&self) -> Logging {
        Logging {
            format: self.log_format,
            level: self
                .log_level
                .clone()
                .or_else(|| std::env::var("RUST_LOG").ok()),
            access_log: self.access_log,
        }
    }

    /// How many threads serve requests.
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
        args: Args,
    }

    #[test]
    fn folders_are_taken_as_arguments_and_as_flags() {
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
