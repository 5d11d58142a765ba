//! `gatefold run`: the daemon, from its flags to its end.

mod announce;
mod answering;
mod args;
mod descriptors;
mod signals;
mod successor;
mod supervisor;
mod takeover;

pub(super) use args::Args;

use super::Error;
use super::check::check_roots;
use super::roots::must_exist;
use crate::admin::{self, View};
use crate::lifecycle::Phase;
use crate::reload::{Reload, Settings};
use crate::systemd::{Activation, Notifier, credentials, watched};
use crate::telemetry;
use crate::unix_socket::SocketFile;
use crate::watch::{Wake, WakeSender, WatchMode};
use announce::{announce, say_goodbye};
use answering::Answering;
use anyhow::Context as _;
use arc_swap::ArcSwap;
use descriptors::Budget;
use gatefold_dataplane::Snapshot;
use gatefold_listen::{self as listen, Deadlines, Sockets};
use gatefold_proxy::{self as proxy, Gatefold};
use pingora_proxy::HttpProxy;
use prometheus_client::registry::Registry;
use signals::{Upgrades, obey};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use supervisor::keep_informed;
use takeover::{Takeover, host};
use tokio::sync::{mpsc, watch};

/// Checks the flags, starts the threads, and serves until it is told to end.
pub(super) fn run(mut args: Args) -> Result<ExitCode, Error> {
    let mut roots = std::mem::take(&mut args.dirs);
    roots.append(&mut args.config_dir);
    roots.extend(credentials());
    must_exist(&roots)?;
    if args.check {
        return check_roots(roots, args.manifests);
    }
    let activation = Activation::from_environment();
    args.logging().start().map_err(Error::Usage)?;
    activation.log_refused();
    // Fails only when somebody has installed one before; nobody has.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let takeover = Takeover::begin(args.upgrade_socket.as_deref(), activation)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads())
        .enable_all()
        .build()
        .context("can't start threads")?;
    let outcome = runtime.block_on(serve(args, roots, takeover));
    // A look at a folder that hangs (a dead network file system) must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(args: Args, roots: Vec<PathBuf>, mut takeover: Takeover) -> Result<ExitCode, Error> {
    let (phase, phases) = watch::channel(Phase::Serving);
    let (wakes, woken) = crate::watch::wake_channel();
    let notifier = Arc::new(Notifier::from_environment(takeover.is_upgrade()));
    let upgrades = Upgrades::by(args.upgrade_socket.as_deref());
    let obeying = obey(wakes.clone(), phase.clone(), notifier.clone(), upgrades)?;
    let signals = tokio::spawn(obeying);
    let admin = takeover
        .admin(args.admin.clone(), args.admin_allow_remote)
        .await?;
    let mut registry = Registry::default();
    let grace = Duration::from_secs(args.drain_timeout);
    let mut reload = prepare(args, roots, wakes, &mut takeover, &mut registry)?;
    let published = reload.published();
    admin::register(&mut registry, published.clone());
    telemetry::register(&mut registry);
    let view = View {
        published: published.clone(),
        phase: phases.clone(),
        registry: Arc::new(registry),
    };
    let (loans, wanted) = mpsc::channel(1);
    let host = host(admin.address(), admin.lend()?, loans, &phase, &notifier);
    let mut admin = Answering::begin(admin, view, takeover.is_upgrade());
    let started = tokio::select! {
        () = reload.reload(Wake::requested()) => {
            admin.answer();
            takeover.complete(&mut admin).await
        }
        // A predecessor goes on, for it isn't told to go.
        () = ended(phases.clone()) => Ok(()),
    };
    if started.is_err() {
        Phase::leave(&phase, Phase::Draining);
    } else if published.load().ready {
        announce(&published.load());
        let informed = keep_informed(notifier.clone(), published, reload.rounds(), phases.clone());
        tokio::spawn(informed);
    }
    let door = takeover.open(host)?;
    let running = reload.run(woken, wanted, phases.clone(), grace);
    let open = watched(running, &notifier).await;
    let last = *phases.borrow();
    close(admin, door, last).await;
    signals.abort();
    say_goodbye(open);
    started.map(|()| ExitCode::SUCCESS)
}

/// Answers no more, and removes the files of the sockets, unless a successor puts its own in their place.
async fn close(mut admin: Answering, door: Option<SocketFile>, last: Phase) {
    match last {
        Phase::HandedOver => {
            admin.leave();
            if let Some(door) = door {
                door.leave();
            }
        }
        Phase::Serving | Phase::Draining => drop(door),
    }
    admin.end().await;
}

/// Resolves when the process serves no longer.
async fn ended(mut phase: watch::Receiver<Phase>) {
    // Without a sender nobody is left who could say so.
    let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
}

/// Everything that changes when the manifests do, with the sockets that are there already.
fn prepare(
    args: Args,
    roots: Vec<PathBuf>,
    wakes: WakeSender,
    takeover: &mut Takeover,
    registry: &mut Registry,
) -> Result<Reload<HttpProxy<Gatefold>>, Error> {
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let budget = Budget::of_this_process(args.max_connections);
    let options = proxy::Options {
        threads: args.threads(),
        idle_upstream: budget.idle_upstream,
        counters: proxy::Counters::register(registry),
        preserve_header_case: args.preserve_header_case,
        path_normalization: args.manifests.path_normalization(),
        ..proxy::Options::default()
    };
    let connections = listen::Options {
        max_connections: budget.connections,
        deadlines: Deadlines {
            drain: Duration::from_secs(args.drain_timeout),
            ..Deadlines::default()
        },
        meters: listen::Meters::register(registry),
    };
    let proxy = proxy::build(snapshot.clone(), options);
    let mut sockets = Sockets::new(proxy, snapshot.clone(), connections);
    let named_sockets = takeover.adopt(&mut sockets)?;
    let mode = if args.poll {
        WatchMode::Poll
    } else {
        WatchMode::Events
    };
    crate::watch::spawn(roots.clone(), mode, wakes.clone()).context("can't watch the folders")?;
    let settings = Settings {
        named_sockets,
        ..args.settings(roots)
    };
    Ok(Reload::new(
        settings,
        args.manifests.backend,
        args.echo,
        wakes,
        sockets,
        snapshot,
    ))
}

#[cfg(test)]
mod tests;
