//! Reports of reloads in the log, in `/status` and in `/metrics`.

use crate::support::daemon::{Daemon, sample};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, gateway_with, route, service};
use serde_json::{Value, json};

const HOST: &str = "www.example.com";

/// Waits for a generation, and checks that `/status` and `/metrics` agree about it.
#[track_caller]
fn wait_for_generation(daemon: &Daemon, generation: u64, result: &str) -> Value {
    let status = daemon.wait_for_summary(&format!("generation {generation}"), |status| {
        (status["generation"]["seen"] == generation).then(|| status.clone())
    });
    let last = &status["reloads"]["last"];
    assert_eq!(last["generation"], generation, "{last:#}");
    assert_eq!(last["result"], result, "{last:#}");
    let metrics = daemon.admin("/metrics").text();
    for state in ["seen", "applied", "failed"] {
        let name = format!("gatefold_config_generation{{state=\"{state}\"}}");
        let shown = status["generation"][state].as_f64().unwrap_or(0.0);
        assert_eq!(sample(&metrics, &name), shown, "{state}");
    }
    let mut all = 0.0;
    for result in ["success", "partial", "failed"] {
        let name = format!("gatefold_config_reloads_total{{result=\"{result}\"}}");
        let counted = sample(&metrics, &name);
        assert_eq!(
            Some(counted),
            status["reloads"][result].as_f64(),
            "{result}"
        );
        all += counted;
    }
    let durations = "gatefold_config_reload_duration_seconds_count";
    assert_eq!(
        sample(&metrics, durations),
        all,
        "each reload must have a duration"
    );
    let successful = f64::from(u8::from(result == "success"));
    let name = "gatefold_config_last_reload_successful";
    assert_eq!(sample(&metrics, name), successful);
    status
}

#[test]
fn a_reload_with_an_unreadable_file_is_partial_until_the_file_is_fixed() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    let timestamp = || {
        let name = "gatefold_config_last_reload_success_timestamp_seconds";
        daemon.metric(name)
    };
    wait_for_generation(&daemon, 1, "success");
    let first = timestamp();
    assert!(first > 1e9, "seconds since 1970");

    let good = folder.read("route.yaml");
    folder.write("route.yaml", good.replace("rules:", "rules: [broken"));
    folder.write("two.yaml", service("two"));
    let status = eventually("both files are loaded", || {
        let status = daemon.admin_json("/status");
        (status["counts"]["services"] == 2 && status["reloads"]["last"]["result"] == "partial")
            .then_some(status)
    });
    let seen = status["generation"]["seen"].as_u64().expect("a number");
    let status = wait_for_generation(&daemon, seen, "partial");
    let both = json!({"seen": seen, "applied": seen, "failed": seen});
    assert_eq!(status["generation"], both, "applied in part");
    assert_eq!(timestamp(), first, "the last success is the old one");
    assert_eq!(daemon.get(HOST, "/").backend(), "one", "last good");

    folder.write("route.yaml", good);
    let status = wait_for_generation(&daemon, seen + 1, "success");
    let fixed = json!({"seen": seen + 1, "applied": seen + 1, "failed": seen});
    assert_eq!(status["generation"], fixed);
    assert!(timestamp() > first);
}

#[test]
fn a_refused_object_makes_a_reload_partial_and_an_unresolved_reference_does_not() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    folder.write("b.yaml", route("b", "b.example.com").replace("one", "gone"));
    wait_for_generation(&daemon, 2, "success");
    folder.write("two.yaml", service("two").replace("3000", "many"));
    wait_for_generation(&daemon, 3, "partial");
}

#[test]
fn every_reload_is_logged_with_its_changed_objects_and_listeners() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).port(81).port(82).echo().start();
    let reload = |generation: u64| -> Value {
        eventually(&format!("the line of reload {generation}"), || {
            let log = daemon.log();
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut lines = lines.filter(|line: &Value| {
                let message = line["message"].as_str().unwrap_or_default();
                message.starts_with("reloaded: ") && line["generation"] == generation
            });
            lines.next()
        })
    };
    let first = reload(1);
    assert_eq!(first["result"], "success");
    assert!(first["took"].is_string() && first["files"] == 3, "{first}");

    let listeners = "    - {name: http, protocol: HTTP, port: 80}\n    - {name: more, protocol: HTTP, port: 81}\n";
    folder.write("gateway.yaml", gateway_with(listeners));
    let message = "reloaded: changed Gateway default/edge; listeners: added default/edge/more";
    assert_eq!(reload(2)["message"], message);

    folder.write("gateway.yaml", gateway_with(&listeners.replace("81", "82")));
    let message = "reloaded: changed Gateway default/edge; listeners: changed default/edge/more";
    assert_eq!(reload(3)["message"], message);

    folder.write("gateway.yaml", gateway());
    let message = "reloaded: changed Gateway default/edge; listeners: removed default/edge/more";
    assert_eq!(reload(4)["message"], message);

    folder.write("two.yaml", service("two"));
    assert_eq!(reload(5)["message"], "reloaded: added Service default/two");
}

#[test]
fn listeners_are_counted_by_state() {
    let folder = Folder::with_route(HOST);
    let listeners = "    - {name: http, protocol: HTTP, port: 80}
    - {name: datagrams, protocol: UDP, port: 81}\n";
    folder.write("gateway.yaml", gateway_with(listeners));
    let daemon = Daemon::of(&folder).echo().start();
    let count = |state| daemon.metric(&format!("gatefold_listeners{{state=\"{state}\"}}"));
    let all = count("listening") + count("failed") + count("rejected");
    assert_eq!(all, 2.0, "each listener must be counted once");
    assert_eq!(count("rejected"), 1.0, "the UDP listener");
    let status = daemon.admin_json("/status");
    let states = status["listeners"].as_array().expect("listeners");
    let rejected = states.iter().filter(|one| one["state"] == "rejected");
    assert_eq!(rejected.count() as f64, count("rejected"));
}

/// A process writes broken files continuously. The last good content is served, and neither the log nor the memory grows
/// with the number of writes.
#[test]
fn a_writer_of_broken_files_fills_neither_the_log_nor_memory() {
    const WRITES: usize = 600;
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    let good = folder.read("route.yaml");
    // A repeated finding is logged once.
    for turn in 0..20 {
        let comment = format!("# {turn}\n{good}");
        folder.write("route.yaml", comment.replace("rules:", "rules: [broken"));
        let seen = turn + 2;
        daemon.wait_for_summary("the edit is loaded", |status| {
            (status["generation"]["seen"].as_u64()? >= seen).then_some(())
        });
    }
    let logged = |code: &str| {
        let log = daemon.log();
        log.lines()
            .filter(|line| line.contains(&format!("\"code\":\"{code}\"")))
            .count()
    };
    eventually("the finding is logged", || {
        (logged("GF0104") > 0).then_some(())
    });
    assert_eq!(logged("GF0104"), 1, "{}", daemon.log());
    // Each of these findings is new, so a rate limit applies.
    let (log, memory) = (daemon.log().len(), daemon.memory());
    for turn in 0..WRITES {
        let broken = format!("{good}unknown-{turn}: 1\nother-{turn}: [\n");
        folder.overwrite("route.yaml", broken);
        assert_eq!(daemon.get(HOST, "/").backend(), "one", "last good");
    }
    folder.write("route.yaml", good);
    daemon.wait_for_summary("the file is fixed", |status| {
        (status["reloads"]["last"]["result"] == "success").then_some(())
    });
    let grown = daemon.log().len() - log;
    assert!(grown < 500_000, "{grown} bytes of log");
    let grown = daemon.memory().saturating_sub(memory);
    assert!(grown < 20, "{grown} MiB more");
}
