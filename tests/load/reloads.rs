//! Reloads under load.

use super::generations::{Generations, LISTENERS};
use crate::support::client;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::manifests::gateway_with;
use std::time::{Duration, Instant};

#[test]
fn two_hundred_reloads_in_twenty_seconds_fail_no_request() {
    const RELOADS: u32 = 200;
    const TIME: Duration = Duration::from_secs(20);
    let generations = Generations::new();
    let daemon = Daemon::of(&generations.folder).start();
    let mut probe = daemon.connect();
    let load = generations
        .plan(&daemon)
        .every_kind()
        .start(generations.judge());
    let began = Instant::now();
    for turn in 1..=RELOADS {
        let next = generations.write_next(&load);
        generations.wait_for(next, &mut probe);
        load.check();
        // The rate is what is tested; where the machine is too slow for it, each reload still has its time.
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
fn another_listener_comes_and_goes_a_hundred_times_without_a_failed_request() {
    const TIMES: usize = 100;
    let generations = Generations::new();
    let daemon = Daemon::of(&generations.folder).port(81).start();
    let load = generations
        .plan(&daemon)
        .every_kind()
        .start(generations.judge());
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
        eventually("the other listener is gone", || {
            client::Client::connect(other).is_err().then_some(())
        });
        load.check();
    }
    println!("{TIMES} times:\n{}", load.finish());
}
