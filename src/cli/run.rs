//! `gatefold run`: the daemon, from its flags to its end.

use super::check::check_roots;
use super::roots::must_exist;
use super::{Error, USAGE};
use crate::admin::{self, Admin, AdminAddress, BindError, View};
use crate::dataplane::Snapshot;
use crate::discover::FixedBackend;
use crate::listen::Sockets;
use crate::proxy;
use crate::reload::{ListenerState, Published, Reload, Settings};
use crate::telemetry::{Format, Logging};
use crate::watch::{self, Mode, Wake, Wakes};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use clap::builder::FalseyValueParser;
use ipnet::IpNet;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Sender;
use tracing::{error, info, warn};

/// The arguments of `gatefold run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders or files of manifests, watched while it runs.
    #[arg(value_name = "DIR", required_unless_present = "config_dir")]
    dirs: Vec<PathBuf>,
    /// The same, as a flag; may be given several times.
    #[arg(long, value_name = "DIR", env = "GATEFOLD_CONFIG_DIR", num_args = 1..)]
    config_dir: Vec<PathBuf>,
    /// Where the admin API listens.
    #[arg(
        long,
        value_name = "ADDR|unix:PATH",
        env = "GATEFOLD_ADMIN",
        default_value = "127.0.0.1:4283"
    )]
    admin: AdminAddress,
    /// Lets the admin API listen where other hosts reach it.
    #[arg(long, env = "GATEFOLD_ADMIN_ALLOW_REMOTE", value_parser = FalseyValueParser::new())]
    admin_allow_remote: bool,
    /// Where Gateways without spec.addresses listen; every interface by default.
    #[arg(
        long,
        value_name = "IP",
        env = "GATEFOLD_ADDRESS",
        value_delimiter = ','
    )]
    address: Vec<IpAddr>,
    /// Gives each Gateway without spec.addresses an address of its own out of this range.
    #[arg(long, value_name = "CIDR", env = "GATEFOLD_ADDRESS_POOL")]
    address_pool: Option<IpNet>,
    /// Binds other ports than the manifests say: 80=8080,443=8443.
    #[arg(long, value_name = "PORT=PORT,...", env = "GATEFOLD_PORT_MAP", value_delimiter = ',', value_parser = port_pair)]
    port_map: Vec<(u16, u16)>,
    /// Serves only classes with this controllerName; all of them by default.
    #[arg(long, value_name = "NAME", env = "GATEFOLD_CONTROLLER_NAME")]
    controller_name: Option<String>,
    /// Answers for Services without endpoints from a built-in echo backend.
    #[arg(long, env = "GATEFOLD_ECHO", value_parser = FalseyValueParser::new())]
    echo: bool,
    /// Only checks the folders, as `gatefold check` does.
    #[arg(long, env = "GATEFOLD_CHECK", value_parser = FalseyValueParser::new())]
    check: bool,
    /// Says where a Service is that has no endpoints in the folder; may be given several times.
    #[arg(
        long,
        value_name = "NS/NAME[:PORT]=HOST:PORT",
        env = "GATEFOLD_BACKEND",
        value_delimiter = ','
    )]
    backend: Vec<FixedBackend>,
    /// Looks at the files every two seconds and doesn't rely on the system's events.
    #[arg(long, env = "GATEFOLD_POLL", value_parser = FalseyValueParser::new())]
    poll: bool,
    /// How long requests may go on after SIGTERM, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "GATEFOLD_DRAIN_TIMEOUT",
        default_value_t = 30
    )]
    drain_timeout: u64,
    /// The form of log lines: text on a terminal and JSON elsewhere by default.
    #[arg(long, value_name = "FORMAT", env = "GATEFOLD_LOG_FORMAT")]
    log_format: Option<Format>,
    /// How much is logged: error, warn, info, debug, trace, or directives as RUST_LOG has them.
    #[arg(long, value_name = "LEVEL", env = "GATEFOLD_LOG_LEVEL")]
    log_level: Option<String>,
    /// Logs each request.
    #[arg(long, env = "GATEFOLD_ACCESS_LOG", value_parser = FalseyValueParser::new())]
    access_log: bool,
    /// How many threads serve requests; one a processor by default.
    #[arg(long, value_name = "N", env = "GATEFOLD_THREADS")]
    threads: Option<NonZeroUsize>,
}

/// `80=8080`.
fn port_pair(text: &str) -> Result<(u16, u16), String> {
    let pair = text.split_once('=').and_then(|(from, to)| {
        let from: u16 = from.trim().parse().ok().filter(|port| *port > 0)?;
        Some((from, to.trim().parse().ok()?))
    });
    pair.ok_or_else(|| format!("`{text}` isn't of the form PORT=PORT, like 80=8080"))
}

pub(super) fn run(mut args: Args) -> Result<ExitCode, Error> {
    let mut roots = std::mem::take(&mut args.dirs);
    roots.append(&mut args.config_dir);
    must_exist(&roots)?;
    if args.check {
        return check_roots(roots, args.controller_name);
    }
    let logging = Logging {
        format: args.log_format,
        level: args
            .log_level
            .clone()
            .or_else(|| std::env::var("RUST_LOG").ok()),
        access_log: args.access_log,
    };
    logging.start().map_err(Error::Usage)?;
    // Fails only when somebody has installed one before; nobody has.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let threads = args.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        NonZeroUsize::get,
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("can't start threads")?;
    let outcome = runtime.block_on(serve(args, roots, threads));
    // A look at a folder that hangs (a dead network file system) must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(args: Args, roots: Vec<PathBuf>, threads: usize) -> Result<ExitCode, Error> {
    let admin = match Admin::bind(args.admin.clone(), args.admin_allow_remote).await {
        Ok(admin) => admin,
        Err(error @ BindError::Remote(_)) => return Err(Error::Usage(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let mut registry = Registry::default();
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let options = proxy::Options {
        threads,
        counters: proxy::Counters::register(&mut registry),
        ..proxy::Options::default()
    };
    let sockets = Sockets::new(proxy::build(snapshot.clone(), options), snapshot.clone());
    let (wakes, woken) = watch::wakes();
    let mode = if args.poll { Mode::Poll } else { Mode::Events };
    watch::spawn(roots.clone(), mode, wakes.clone()).context("can't watch the folders")?;
    let settings = settings(&args, roots);
    let grace = Duration::from_secs(args.drain_timeout);
    let mut reload = Reload::new(
        settings,
        args.backend,
        args.echo,
        wakes.clone(),
        sockets,
        snapshot,
    );
    let published = reload.published();
    admin::register(&mut registry, published.clone());
    info!(version = env!("CARGO_PKG_VERSION"), admin = %admin.address(), threads, "gatefold starts");
    let view = View {
        published: published.clone(),
        registry: Arc::new(registry),
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let signals = tokio::spawn(obey(wakes, stop)?);
    let admin = tokio::spawn(admin.serve(view));
    reload.reload(Wake::Requested).await;
    announce(&published.load());
    let left = reload.run(woken, stopped, grace).await;
    admin.abort();
    signals.abort();
    // Its socket's file goes when the task has ended.
    let _ = admin.await;
    say_goodbye(left);
    Ok(ExitCode::SUCCESS)
}

fn say_goodbye(left: usize) {
    match left {
        0 => info!("all requests are done: gatefold ends"),
        _ => warn!(
            connections = left,
            "the drain time-out is over: gatefold ends and cuts connections"
        ),
    }
}

fn settings(args: &Args, roots: Vec<PathBuf>) -> Settings {
    Settings {
        roots,
        controller_name: args.controller_name.clone(),
        addresses: args.address.clone(),
        address_pool: args.address_pool,
        port_map: args.port_map.iter().copied().collect::<BTreeMap<_, _>>(),
    }
}

/// SIGHUP reloads; SIGTERM and SIGINT end politely, and at once when they come again.
fn obey(wakes: Wakes, stop: Sender<bool>) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        loop {
            let name = tokio::select! {
                _ = hangup.recv() => {
                    info!("SIGHUP: reloading");
                    // Nobody listens any more only when the daemon ends.
                    let _ = wakes.send(Wake::Requested).await;
                    continue;
                }
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if *stop.borrow() {
                error!("{name} again: gatefold ends at once");
                std::process::exit(i32::from(USAGE) + 128);
            }
            info!("{name}: no new connections; requests that are under way may finish");
            let _ = stop.send(true);
        }
    })
}

/// Says what listens where.
fn announce(published: &Published) {
    for listener in &published.listeners {
        announce_listener(listener);
    }
    let resources = &published.loaded.resources;
    if published.listeners.is_empty() {
        warn!(
            files = published.loaded.files,
            gateways = resources.gateways.len(),
            "nothing is served: no Gateway of ours is in the folder; it is watched for one"
        );
    } else {
        info!(
            files = published.loaded.files,
            gateways = resources.gateways.len(),
            routes = resources.http_routes.len(),
            diagnostics = published.diagnostics.len(),
            "ready"
        );
    }
}

fn announce_listener(listener: &ListenerState) {
    let ListenerState {
        gateway,
        name,
        port,
        routes,
        ..
    } = listener;
    let hostname = listener.hostname.as_deref().unwrap_or("*");
    let protocol = listener.protocol.unwrap_or("unsupported");
    for socket in &listener.listening {
        info!(
            %socket, protocol, hostname, routes, gateway = gateway.as_str(), listener = name.as_str(), port,
            "listening"
        );
    }
    if listener.listening.is_empty() {
        warn!(
            protocol,
            hostname,
            gateway = gateway.as_str(),
            listener = name.as_str(),
            port,
            "not listening"
        );
    }
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
