//! The end of the daemon.

use crate::environment::discovery::Sources;
use crate::issuer_fetch::{IssuerFetchCounters, IssuerFetches};
use crate::lifecycle::Lifecycle;
use crate::reload::{Reload, Settings};
use crate::watch::Wake;
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_listen::{self as listen, Sockets, Workers};
use gatefold_proxy as proxy;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

#[test]
fn ends_while_a_reload_hangs() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    // The only thread that could scan the files is busy until the end of the test.
    let (release, released) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || released.recv());
    let open = runtime.block_on(async {
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let proxies = proxy::build(snapshot.clone(), &proxy::Options::default());
        let sockets = Sockets::new(
            Workers::start(proxies).expect("threads"),
            snapshot.clone(),
            listen::ListenOptions::default(),
        );
        let (wakes, woken) = crate::watch::wake_channel();
        let settings = Settings::default();
        let reload = Reload::new(
            settings,
            Sources::default(),
            wakes.clone(),
            sockets,
            snapshot,
            IssuerFetches::new(IssuerFetchCounters::default()),
        );
        let (_requests, received) = mpsc::channel(1);
        let (lifecycle, state) = watch::channel(Lifecycle::Serving);
        wakes.send(Wake::requested());
        let running = reload.run(woken, received, state, Duration::ZERO);
        // `running` is polled first, and begins a reload.
        let end = async { Lifecycle::leave(&lifecycle, Lifecycle::Draining) };
        let both = async { tokio::join!(biased; running, end).0 };
        tokio::time::timeout(Duration::from_secs(20), both).await
    });
    drop(release);
    assert_eq!(open.expect("it ends"), 0);
}
