//! Reloads under load.

use super::generations::{LISTENERS, NumberedGenerations};
use crate::support::client;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::load::ClientKind;
use crate::support::manifests::gateway_with;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

#[test]
fn two_hundred_reloads_in_twenty_seconds_fail_no_request() {
    const RELOADS: u32 = 200;
    const TIME: Duration = Duration::from_secs(20);
    let generations = NumberedGenerations::new();
    let daemon = Daemon::of(&generations.folder).start();
    let mut probe = daemon.connect();
    let load = generations.load(&daemon);
    let began = Instant::now();
    for turn in 1..=RELOADS {
        let next = generations.write_next(&load);
        generations.wait_for(next, &mut probe);
        load.check();
        // Keeps the rate that this test is about. On a slow machine, each reload still completes.
        let due = began + TIME * turn / RELOADS;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let took = began.elapsed();
    let report = load.finish();
    println!("{RELOADS} reloads in {took:.1?}\n{report}");
    assert!(took < 3 * TIME, "{RELOADS} reloads took {took:.1?}");
    let applied = daemon.admin_json("/status")["generation"]["applied"].as_u64();
    assert!(
        applied > Some(u64::from(RELOADS)),
        "only {applied:?} were applied"
    );
}

#[test]
fn a_listener_is_added_and_removed_a_hundred_times_without_a_failed_request() {
    const TIMES: usize = 100;
    let generations = NumberedGenerations::new();
    let daemon = Daemon::of(&generations.folder).port(81).start();
    let load = generations.load(&daemon);
    let other = daemon.socket(81);
    for turn in 1..=TIMES {
        let more = format!("{LISTENERS}    - {{name: other, protocol: HTTP, port: 81}}\n");
        generations
            .folder
            .write("gateway.yaml", gateway_with(&more));
        load.changed(format!("listener {turn} was added"));
        eventually("the other listener serves", || {
            let answer = client::try_get(other, super::generations::HOST, "/");
            answer.ok().filter(|answer| answer.status == 200)
        });
        generations
            .folder
            .write("gateway.yaml", gateway_with(LISTENERS));
        load.changed(format!("listener {turn} was removed"));
        eventually("the other listener is closed", || {
            client::Client::connect(other).is_err().then_some(())
        });
        load.check();
    }
    println!("{TIMES} times:\n{}", load.finish());
}

/// Like the kubelet: creates a new folder, renames a link over the old one, and deletes the old folder at once.
#[test]
fn a_thousand_consecutive_swaps_of_the_data_link_fail_no_request() {
    const SWAPS: u64 = 1_000;
    // Waits only for every 50th swap, so that most swaps happen while the previous one is being loaded.
    const SYNCHRONIZE: u64 = 50;
    let generations = NumberedGenerations::new();
    let folder = MountedConfigMap::new(&generations);
    let daemon = Daemon::of(&folder.folder).start();
    let mut probe = daemon.connect();
    let load = generations.load(&daemon);
    let began = Instant::now();
    for swap in 1..=SWAPS {
        let next = generations.announce();
        folder.swap(next, &generations.manifests(next));
        load.changed(format!("swap {swap}"));
        if swap % SYNCHRONIZE == 0 {
            generations.wait_for(next, &mut probe);
            load.check();
        }
    }
    let took = began.elapsed();
    println!("{SWAPS} swaps in {took:.1?}\n{}", load.finish());
}

/// A folder like a ConfigMap that Kubernetes mounts: links to `..data/NAME`, where `..data` is a link to a hidden folder.
struct MountedConfigMap {
    folder: Folder,
}

impl MountedConfigMap {
    const FILE: &str = "generation.yaml";

    fn new(generations: &NumberedGenerations) -> Self {
        let folder = Folder::with([("gateway.yaml", generations.folder.read("gateway.yaml"))]);
        let link = folder.path().join(Self::FILE);
        symlink(format!("..data/{}", Self::FILE), link).expect("a link");
        let mounted = MountedConfigMap { folder };
        mounted.swap(0, &generations.manifests(0));
        mounted
    }

    fn swap(&self, version: u64, text: &str) {
        let root = self.folder.path();
        let old = fs::read_link(root.join("..data"));
        let name = format!("..{version}");
        self.folder.write(&format!("{name}/{}", Self::FILE), text);
        symlink(&name, root.join("..data_tmp")).expect("a link");
        fs::rename(root.join("..data_tmp"), root.join("..data")).expect("the link renamed");
        if let Ok(old) = old {
            fs::remove_dir_all(root.join(old)).expect("the old folder removed");
        }
    }
}

#[test]
fn a_thousand_certificates_under_new_connections_fail_no_handshake() {
    const CHANGES: u64 = 1_000;
    let generations = NumberedGenerations::new();
    let daemon = Daemon::of(&generations.folder).start();
    let mut probe = daemon.connect();
    let load = generations
        .plan(&daemon)
        .clients(ClientKind::TlsFresh, 3)
        .clients(ClientKind::TlsKept, 1)
        .clients(ClientKind::TlsHttp2, 1)
        .start(generations.judge());
    let began = Instant::now();
    for _ in 0..CHANGES {
        let next = generations.write_next(&load);
        generations.wait_for(next, &mut probe);
        load.check();
    }
    let took = began.elapsed();
    println!("{CHANGES} certificates in {took:.1?}\n{}", load.finish());
}
