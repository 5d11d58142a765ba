//! `gatefold run`: the daemon, from its flags to its end.
//!
//! It gets sockets (from systemd, from a predecessor, or new ones), starts the reload, the admin API and the signal handlers,
//! and waits until the process must end.

mod access_log_args;
mod admin_task;
mod announce;
mod args;
mod descriptor_budget;
mod dev_table;
mod signals;
mod status_messages;
mod successor;
mod takeover;

pub(super) use args::RunArgs;

use super::Error;
use super::check::check_roots;
use super::roots::must_exist;
use crate::admin::{self, View};
use crate::issuer_fetch::{IssuerFetchCounters, IssuerFetches};
use crate::lifecycle::Lifecycle;
use crate::reload::{Reload, Settings};
use crate::render::Renders;
use crate::systemd::{Activation, Notifier, credentials, run_with_watchdog};
use crate::telemetry;
use crate::unix_socket::SocketFile;
use crate::watch::{Wake, WakeSender, watch_any};
use admin_task::AdminTask;
use announce::{announce, announce_end, announce_stand_ins};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use descriptor_budget::DescriptorBudget;
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::access_log::{AccessLog, LineSinks};
use gatefold_dataplane::durations::Durations;
use gatefold_listen::{self as listen, Deadlines, Sockets, Workers};
use gatefold_proxy::{self as proxy, Gatefold};
use pingora_proxy::HttpProxy;
use prometheus_client::registry::Registry;
use signals::Upgrades;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use takeover::{Takeover, handover};
use tokio::sync::{mpsc, watch};

/// The access logs of the process.
struct AccessLogs {
    /// Where their lines go.
    sinks: LineSinks,
    /// The one that flags enable.
    of_command_line: Option<AccessLog>,
}

/// Checks the flags, starts the threads, and serves until the process must end.
pub(super) fn run(mut args: RunArgs) -> Result<ExitCode, Error> {
    let mut roots = std::mem::take(&mut args.dirs);
    roots.append(&mut args.config_dir);
    roots.extend(credentials());
    must_exist(&roots)?;
    args.manifests.load.must_exist()?;
    args.render.paths_must_exist()?;
    if args.check {
        return check_roots(roots, args.manifests, args.render);
    }
    let log_dir = args.manifests.access_log_dir_must_exist();
    log_dir.map_err(Error::Usage)?;
    let activation = Activation::from_environment();
    args.logging().start().map_err(Error::Usage)?;
    activation.log_refused();
    // This fails only if a provider is installed already, and this is the only place that installs one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let takeover = Takeover::begin(args.upgrade_socket.as_deref(), activation)?;
    let sinks = telemetry::line_sinks();
    let access_log = args.access_log.open(&sinks).map_err(Error::Usage)?;
    // Reloads and the admin API run here; requests run on the workers.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .context("can't start threads")?;
    let logs = AccessLogs {
        sinks: sinks.clone(),
        of_command_line: access_log,
    };
    let outcome = runtime.block_on(serve(args, roots, takeover, logs));
    // A blocked scan of a folder (a dead network file system) must not delay the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    telemetry::access_log::flush(&sinks, Duration::from_secs(1));
    outcome
}

/// `gatefold dev`: like [`run`], with everything that a cluster would add.
pub(super) fn dev(mut args: RunArgs) -> Result<ExitCode, Error> {
    args.for_development();
    run(args)
}

async fn serve(
    args: RunArgs,
    roots: Vec<PathBuf>,
    mut takeover: Takeover,
    logs: AccessLogs,
) -> Result<ExitCode, Error> {
    let (lifecycle, state) = watch::channel(Lifecycle::Serving);
    let (wakes, woken) = crate::watch::wake_channel();
    let notifier = Arc::new(Notifier::from_environment(takeover.is_upgrade()));
    let upgrades = Upgrades::over(args.upgrade_socket.as_deref());
    let renders = start_renders(&args, &wakes, state.clone())?;
    let signals = tokio::spawn(signals::handle(
        wakes.clone(),
        lifecycle.clone(),
        notifier.clone(),
        upgrades,
        renders.requests(),
        logs.sinks.clone(),
    )?);
    let admin = takeover
        .admin(args.admin.clone(), args.admin_allow_remote)
        .await?;
    let grace = Duration::from_secs(args.drain_timeout);
    let table = args
        .prints_table
        .then(|| args.manifests.stand_ins.authority_file());
    let table = table.transpose()?;
    announce_stand_ins(&args.manifests.stand_ins);
    let inputs = (roots, &renders, logs);
    let (mut reload, view) = prepare(args, inputs, wakes, &mut takeover, state.clone())?;
    let published = reload.published();
    let (requests, sockets_requests) = mpsc::channel(1);
    let lent = admin.lend()?;
    let handover = handover(admin.address(), lent, requests, &lifecycle, &notifier);
    let mut admin = AdminTask::start(admin, view, takeover.is_upgrade());
    let first_load = async {
        renders.first_runs().await;
        reload.reload(Wake::requested()).await;
    };
    let started = tokio::select! {
        () = first_load => {
            admin.answer();
            takeover.complete(&mut admin).await
        }
        // A predecessor continues to serve, since it isn't released.
        () = no_longer_serving(state.clone()) => Ok(()),
    };
    if started.is_err() {
        Lifecycle::leave(&lifecycle, Lifecycle::Draining);
    } else if published.load().ready {
        announce(&published.load());
        let (rounds, state) = (reload.rounds(), state.clone());
        let notifier = notifier.clone();
        if let Some(authority) = table {
            let (published, rounds) = (published.clone(), rounds.clone());
            tokio::spawn(dev_table::print_changes(published, rounds, authority));
        }
        tokio::spawn(status_messages::send(notifier, published, rounds, state));
    }
    let upgrade_socket = takeover.serve(handover)?;
    let workers = reload.workers();
    let running = reload.run(woken, sockets_requests, state.clone(), grace);
    let open = run_with_watchdog(running, || workers.respond(), &notifier).await;
    close(admin, upgrade_socket, &state).await;
    signals.abort();
    drop(renders);
    announce_end(open);
    started.map(|()| ExitCode::SUCCESS)
}

/// Starts the commands of `--render` and watches the paths of `--render-watch`. The commands stop when the process no longer
/// serves.
fn start_renders(
    args: &RunArgs,
    wakes: &WakeSender,
    state: watch::Receiver<Lifecycle>,
) -> Result<Renders, Error> {
    let commands = args.render.commands();
    let any = !commands.is_empty();
    let mut renders = Renders::new(commands, wakes);
    let stop = renders.stopper();
    tokio::spawn(async move {
        no_longer_serving(state).await;
        stop();
    });
    if any && !args.render.render_watch.is_empty() {
        let (requests, wakes) = (renders.requests(), wakes.clone());
        let paths = args.render.render_watch.clone();
        let changed = move || requests.request();
        watch_any(paths, args.watch_mode(), changed, move || wakes.ended())
            .context("can't watch the paths of --render-watch")?;
    }
    // After the paths are scanned, so that no change after the first run is missed.
    renders.start().context("can't start threads")?;
    Ok(renders)
}

/// Stops the admin API and removes the files of the Unix sockets, unless a successor replaces them.
async fn close(
    mut admin: AdminTask,
    upgrade_socket: Option<SocketFile>,
    state: &watch::Receiver<Lifecycle>,
) {
    let last = *state.borrow();
    match last {
        Lifecycle::HandedOver => {
            admin.leave();
            if let Some(upgrade_socket) = upgrade_socket {
                upgrade_socket.leave();
            }
        }
        Lifecycle::Serving | Lifecycle::Draining => drop(upgrade_socket),
    }
    admin.end().await;
}

/// Resolves when the process no longer serves.
async fn no_longer_serving(mut state: watch::Receiver<Lifecycle>) {
    // An error means that the sender is gone, so the process ends too.
    let _ = state.wait_for(|state| *state != Lifecycle::Serving).await;
}

/// Creates the reload, with the sockets that other processes have bound, and the admin API's view of it.
fn prepare(
    args: RunArgs,
    (roots, renders, logs): (Vec<PathBuf>, &Renders, AccessLogs),
    wakes: WakeSender,
    takeover: &mut Takeover,
    state: watch::Receiver<Lifecycle>,
) -> Result<(Reload<HttpProxy<Gatefold>>, View), Error> {
    let mut registry = Registry::default();
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let access_log = logs.of_command_line;
    let mut sockets = sockets(&args, access_log, snapshot.clone(), &mut registry)?;
    let named_sockets = takeover.adopt(&mut sockets)?;
    let watched = args.manifests.load.options().watched_roots(&roots);
    crate::watch::spawn(watched, args.watch_mode(), wakes.clone())
        .context("can't watch the folders")?;
    let durations = Durations::default();
    let settings = Settings {
        named_sockets,
        renders: renders.outputs(),
        sinks: logs.sinks.clone(),
        durations: durations.clone(),
        ..args.settings(roots)
    };
    let sources = args.manifests.stand_ins.sources(args.manifests.backend)?;
    let issuer_fetches = IssuerFetches::new(IssuerFetchCounters::register(&mut registry));
    let reload = Reload::new(settings, sources, wakes, sockets, snapshot, issuer_fetches);
    let published = reload.published();
    admin::register(&mut registry, published.clone());
    admin::register_durations(&mut registry, durations);
    telemetry::register(&mut registry);
    telemetry::access_log::register(&mut registry, logs.sinks);
    let view = View {
        published,
        phase: state,
        registry: Arc::new(registry),
    };
    Ok((reload, view))
}

/// Creates the proxy and its sockets, none of which is bound yet.
fn sockets(
    args: &RunArgs,
    access_log: Option<AccessLog>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    registry: &mut Registry,
) -> Result<Sockets<HttpProxy<Gatefold>>, Error> {
    let budget = DescriptorBudget::of_this_process(args.max_connections);
    let options = proxy::Options {
        threads: args.threads(),
        idle_upstream: budget.idle_upstream,
        counters: proxy::Counters::register(registry),
        preserve_header_case: args.preserve_header_case,
        path_normalization: args.manifests.path_normalization(),
        access_log,
        reason_header: args.access_log.reason_header(),
        ..proxy::Options::default()
    };
    let connections = listen::ListenOptions {
        max_connections: budget.connections,
        deadlines: Deadlines {
            drain: Duration::from_secs(args.drain_timeout),
            ..Deadlines::default()
        },
        meters: listen::Meters::register(registry),
    };
    let proxies = proxy::build(snapshot.clone(), &options);
    let workers = Workers::start(proxies).context("can't start threads")?;
    Ok(Sockets::new(workers, snapshot, connections))
}

#[cfg(test)]
mod tests;
