//! `gatefold run`: the daemon, from its flags to its end.

mod announce;
mod args;
mod signals;

pub(super) use args::Args;

use super::Error;
use super::check::check_roots;
use super::roots::must_exist;
use crate::admin::{self, Admin, BindError, View};
use crate::dataplane::Snapshot;
use crate::listen::Sockets;
use crate::proxy;
use crate::reload::Reload;
use crate::watch::{self, Mode, Wake};
use announce::{announce, say_goodbye};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use signals::obey;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// Checks the flags, starts the threads, and serves until it is told to end.
pub(super) fn run(mut args: Args) -> Result<ExitCode, Error> {
    let mut roots = std::mem::take(&mut args.dirs);
    roots.append(&mut args.config_dir);
    must_exist(&roots)?;
    if args.check {
        return check_roots(roots, args.controller_name);
    }
    args.logging().start().map_err(Error::Usage)?;
    // Fails only when somebody has installed one before; nobody has.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let threads = args.threads();
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
    let settings = args.settings(roots);
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
