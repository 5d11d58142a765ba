use crate::admin::AdminAddress;
use crate::dataplane::path_normalization::PathNormalization;
use crate::discover::FixedBackend;
use crate::reload::Settings;
use crate::telemetry::{Format, Logging};
use clap::builder::FalseyValueParser;
use ipnet::IpNet;
use std::net::IpAddr;
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
    /// Where Gateways without spec.addresses listen; every interface by default.
    #[arg(
        long,
        value_name = "IP",
        env = "GATEFOLD_ADDRESS",
        value_delimiter = ','
    )]
    pub(super) address: Vec<IpAddr>,
    /// Gives each Gateway without spec.addresses an address of its own out of this range.
    #[arg(long, value_name = "CIDR", env = "GATEFOLD_ADDRESS_POOL")]
    pub(super) address_pool: Option<IpNet>,
    /// Binds other ports than the manifests say: 80=8080,443=8443.
    #[arg(long, value_name = "PORT=PORT,...", env = "GATEFOLD_PORT_MAP", value_delimiter = ',', value_parser = port_pair)]
    pub(super) port_map: Vec<(u16, u16)>,
    /// Serves only classes with this controllerName; all of them by default.
    #[arg(long, value_name = "NAME", env = "GATEFOLD_CONTROLLER_NAME")]
    pub(super) controller_name: Option<String>,
    /// Answers for Services without endpoints from a built-in echo backend.
    #[arg(long, env = "GATEFOLD_ECHO", value_parser = FalseyValueParser::new())]
    pub(super) echo: bool,
    /// Only checks the folders, as `gatefold check` does.
    #[arg(long, env = "GATEFOLD_CHECK", value_parser = FalseyValueParser::new())]
    pub(super) check: bool,
    /// Says where a Service is that has no endpoints in the folder; may be given several times.
    #[arg(
        long,
        value_name = "NS/NAME[:PORT]=HOST:PORT",
        env = "GATEFOLD_BACKEND",
        value_delimiter = ','
    )]
    pub(super) backend: Vec<FixedBackend>,
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
    /// Whether the paths of requests are normalised before they are matched and forwarded, so that /a/../admin and
    /// /%61dmin are /admin; off for backends that need paths as sent, such as object stores.
    #[arg(
        long,
        value_name = "on|off",
        env = "GATEFOLD_PATH_NORMALIZATION",
        default_value = "on"
    )]
    pub(super) path_normalization: PathNormalization,
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
            controller_name: self.controller_name.clone(),
            addresses: self.address.clone(),
            address_pool: self.address_pool,
            port_map: self.port_map.iter().copied().collect(),
            path_normalization: self.path_normalization,
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

/// `80=8080`.
fn port_pair(text: &str) -> Result<(u16, u16), String> {
    let pair = text.split_once('=').and_then(|(from, to)| {
        let from: u16 = from.trim().parse().ok().filter(|port| *port > 0)?;
        Some((from, to.trim().parse().ok()?))
    });
    pair.ok_or_else(|| format!("`{text}` isn't of the form PORT=PORT, like 80=8080"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_pairs_are_read_and_nonsense_is_refused() {
        assert_eq!(port_pair("80=8080"), Ok((80, 8080)));
        for text in ["80", "80:8080", "0=1", "a=b", "80=65536"] {
            assert!(port_pair(text).is_err(), "{text:?}");
        }
    }

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
