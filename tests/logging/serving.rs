//! A daemon whose log can't be written.

use super::{closed_pipe, dropped, full_pipe};
use crate::support::backend::TestBackend;
use crate::support::client::Client;
use crate::support::daemon::{Daemon, signal};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::network::{free_port, own_address};
use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

const HOST: &str = "www.example.com";
const DEAD: &str = "dead.example.com";
const CONNECTIONS: usize = 4;
const REQUESTS: usize = 10_000;

/// A folder with a route to a running backend, and one to an address without a backend.
fn folder() -> Folder {
    let dead = own_address();
    let dead = SocketAddr::new(dead, free_port(dead));
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
        (
            "slice.yaml",
            endpoint_slice("one", TestBackend::start("one").address()),
        ),
        ("dead.yaml", route("dead", DEAD)),
        ("service.yaml", service("dead")),
        ("dead-slice.yaml", endpoint_slice("dead", dead)),
    ])
}

/// Starts a daemon that writes its log to `output`. Checks that it serves requests and ends as usual. Returns the number
/// of dropped log lines.
fn serves_and_ends(output: impl Into<OwnedFd>) -> u64 {
    let folder = folder();
    let daemon = Daemon::of(&folder)
        .arg("--access-log")
        .arg("--drain-timeout=5")
        .output(output)
        .start();
    answers_requests(&daemon);
    assert_eq!(daemon.get(DEAD, "/").status, 502, "a dead backend");
    daemon.signal("HUP");
    daemon.wait_for_summary("SIGHUP has reloaded", |status| {
        (status["generation"]["applied"] == 2).then_some(())
    });
    let dropped = dropped(&daemon);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    dropped
}

#[track_caller]
fn answers_requests(daemon: &Daemon) {
    let answer_all = || {
        let mut client = daemon.connect();
        for number in 0..REQUESTS / CONNECTIONS {
            let answer = client.get(HOST, "/", &[]);
            let answer = answer.unwrap_or_else(|error| panic!("request {number}: {error}"));
            assert_eq!(answer.status, 200, "request {number}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(answer_all);
        }
    });
}

#[test]
fn a_log_without_a_reading_process_does_not_block_the_daemon() {
    let (_reader, writer) = full_pipe();
    assert!(serves_and_ends(writer) > 0);
}

#[test]
fn a_log_with_a_closed_pipe_does_not_block_the_daemon() {
    assert!(
        serves_and_ends(closed_pipe()) > 10_000,
        "all lines must be dropped"
    );
}

#[test]
fn a_log_on_a_full_disk_does_not_block_the_daemon() {
    let full = File::options().write(true).open("/dev/full");
    let dropped = serves_and_ends(full.expect("/dev/full"));
    assert!(dropped > 10_000, "all lines must be dropped");
}

#[test]
fn a_log_file_at_its_size_limit_does_not_block_the_daemon() {
    let folder = folder();
    let daemon = Daemon::of(&folder).arg("--access-log").file_size(16);
    let daemon = daemon.start();
    let mut client = daemon.connect();
    eventually("lines are dropped", || {
        assert_eq!(client.get(HOST, "/", &[]).expect("an answer").status, 200);
        (dropped(&daemon) > 100).then_some(())
    });
    drop(client);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn a_log_with_a_slow_reader_does_not_block_the_daemon() {
    let (mut reader, writer) = full_pipe();
    let slow = thread::spawn(move || {
        let mut some = [0; 512];
        while reader.read(&mut some).is_ok_and(|length| length > 0) {
            thread::sleep(Duration::from_millis(2));
        }
    });
    serves_and_ends(writer);
    slow.join().expect("the reader's end");
}

#[test]
fn the_second_sigterm_ends_the_daemon_at_once_if_the_log_blocks() {
    let (_reader, writer) = full_pipe();
    let folder = folder();
    let daemon = Daemon::of(&folder).output(writer).start();
    // Keeps the daemon draining.
    let mut client = daemon.connect();
    client.begin(b"GET / HTTP/1.1\r\n").expect("sent");
    eventually("the connection is open", || {
        let metrics = daemon.admin("/metrics").text();
        let open = |line: &str| line.starts_with("gatefold_connections{") && line.ends_with(" 1");
        metrics.lines().any(open).then_some(())
    });
    daemon.signal("TERM");
    eventually("the daemon drains", || {
        (daemon.admin("/readyz").status == 503).then_some(())
    });
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(130));
}

/// A process that is killed when this is dropped.
struct Successor(u64);

impl Drop for Successor {
    fn drop(&mut self) {
        if !has_ended(self.0) {
            signal(&self.0.to_string(), "KILL");
        }
    }
}

/// Whether a process that is not a child of this one has ended.
fn has_ended(process: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    let state = stat.as_ref().ok().and_then(|stat| stat.rsplit_once(')'));
    state.is_none_or(|(_, fields)| fields.trim_start().starts_with('Z'))
}

#[test]
fn an_upgrade_succeeds_if_the_log_blocks() {
    let (_reader, writer) = full_pipe();
    let folder = folder();
    let daemon = Daemon::of(&folder).upgradable().output(writer).start();
    let former = u64::from(daemon.process());
    daemon.signal("USR2");
    let successor = daemon.wait_for_summary("another process answers", |status| {
        status["pid"].as_u64().filter(|pid| *pid != former)
    });
    let successor = Successor(successor);
    eventually("the former process has ended", || {
        has_ended(former).then_some(())
    });
    assert_eq!(daemon.get(HOST, "/").status, 200);
    signal(&successor.0.to_string(), "TERM");
    eventually("the successor has ended", || {
        has_ended(successor.0).then_some(())
    });
    assert!(Client::connect(daemon.socket(80)).is_err());
    assert_eq!(daemon.ended().code(), Some(0), "the former process");
}
