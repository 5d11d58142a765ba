use crate::lifecycle::Phase;
use crate::reload::{Reload, Settings};
use crate::watch::Wake;
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_listen::{self as listen, Sockets};
use gatefold_proxy as proxy;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

#[test]
fn a_reload_that_hangs_does_not_hold_up_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    // The only thread that could look at the files is busy until the test is over.
    let (release, released) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || released.recv());
    let open = runtime.block_on(async {
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let app = proxy::build(snapshot.clone(), proxy::Options::default());
        let sockets = Sockets::new(app, snapshot.clone(), listen::Options::default());
        let (wakes, woken) = crate::watch::wake_channel();
        let settings = Settings::default();
        let reload = Reload::new(settings, vec![], false, wakes.clone(), sockets, snapshot);
        let (_loans, wanted) = mpsc::channel(1);
        let (phase, phases) = watch::channel(Phase::Serving);
        wakes.send(Wake::requested());
        let running = reload.run(woken, wanted, phases, Duration::ZERO);
        // The first has its turn first, and begins a reload in it.
        let told = async { Phase::leave(&phase, Phase::Draining) };
        let both = async { tokio::join!(biased; running, told).0 };
        tokio::time::timeout(Duration::from_secs(20), both).await
    });
    drop(release);
    assert_eq!(open.expect("it ends"), 0);
}
