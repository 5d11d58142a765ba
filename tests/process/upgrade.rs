//! Upgrades: a new process replaces the running one, and no client notices.

use crate::support::DEADLINE;
use crate::support::client;
use crate::support::daemon::{Daemon, signal};
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, gateway_named, gateway_with, route, service};
use crate::support::{SetOnDrop, eventually};
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const HOST: &str = "www.example.com";

fn folder(gateway: String) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
    ])
}

/// Gateways with `count` listeners in total, the first on port 80, and the ports of the listeners.
fn many(count: u16) -> (String, Vec<u16>) {
    /// Maximum number of listeners of a Gateway in the API.
    const MOST: usize = 64;
    let port = |index| if index == 0 { 80 } else { 1000 + index };
    let ports: Vec<u16> = (0..count).map(port).collect();
    let mut manifests = String::new();
    for (index, ports) in ports.chunks(MOST).enumerate() {
        let listener = |port| format!("    - {{name: p{port}, protocol: HTTP, port: {port}}}\n");
        let listeners: String = ports.iter().map(listener).collect();
        manifests += &match index {
            0 => gateway_with(&listeners),
            _ => format!(
                "---\n{}",
                gateway_named(&format!("edge-{index}"), &listeners)
            ),
        };
    }
    (manifests, ports)
}

fn daemon_with(folder: &Folder, ports: &[u16]) -> Daemon {
    let start = Daemon::of(folder).echo().upgradable();
    let others = ports.iter().filter(|port| **port != 80);
    others.fold(start, |start, port| start.port(*port)).start()
}

#[test]
fn hands_over_forty_listeners_repeatedly_under_traffic() {
    const UPGRADES: usize = 3;
    let (gateway, ports) = many(40);
    let folder = folder(gateway);
    let daemon = daemon_with(&folder, &ports);
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for half in ports.chunks(ports.len() / 2) {
            let (daemon, stop, answered) = (&daemon, &stop, &answered);
            scope.spawn(move || {
                for port in half.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let socket = daemon.socket(*port);
                    let answer = client::try_get(socket, HOST, "/");
                    let answer = answer.expect("a new connection must be answered");
                    assert_eq!(answer.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stop = SetOnDrop(&stop);
        for _ in 0..UPGRADES {
            let before = answered.load(Ordering::Relaxed);
            let old = daemon.process();
            daemon.upgrade();
            assert_ne!(daemon.process(), old);
            daemon.wait_for_former();
            eventually("traffic continues", || {
                (answered.load(Ordering::Relaxed) > before + ports.len()).then_some(())
            });
        }
    });
}

#[test]
fn hands_over_more_listeners_than_fit_into_one_message() {
    let (gateway, ports) = many(300);
    let folder = folder(gateway);
    let daemon = daemon_with(&folder, &ports);
    daemon.upgrade();
    daemon.wait_for_former();
    for port in &ports {
        // The route is attached only to the first Gateway.
        let answer = client::get(daemon.socket(*port), HOST, "/");
        assert!([200, 404].contains(&answer.status), "{}", answer.status);
    }
}

#[test]
fn a_failing_successor_does_not_affect_the_running_process() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let process = daemon.process();
    let mut persistent = daemon.connect();
    assert_eq!(
        persistent.get(HOST, "/", &[]).expect("an answer").status,
        200
    );
    for (extra, what) in [
        (["--config-dir", "nowhere"], "a missing folder"),
        (["--address", "nowhere"], "an invalid flag"),
        (["--admin", "192.0.2.1:80"], "an unusable admin address"),
    ] {
        let status = daemon.fail_to_upgrade(extra);
        assert!(!status.success(), "{what}: {status}");
        assert_eq!(daemon.admin_json("/status")["pid"], process, "{what}");
        assert_eq!(daemon.get(HOST, "/").status, 200, "{what}");
        assert_eq!(
            persistent.get(HOST, "/", &[]).expect("an answer").status,
            200,
            "{what}"
        );
    }
    // The running process still reloads.
    folder.replace("route.yaml", HOST, "other.example.com");
    daemon.wait_for_status("other.example.com", "/", 200);
    daemon.upgrade();
}

#[test]
fn sigusr2_starts_the_successor() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let old = daemon.process();
    daemon.signal("USR2");
    let new = daemon.wait_for_summary("another process answers", |status| {
        let process = status["pid"].as_u64()?;
        (process != u64::from(old)).then_some(process)
    });
    let _new = KilledProcess(new);
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let ended = daemon.ended();
    assert!(ended.success(), "{ended}");
}

/// A process that is not a child of the test. It is killed when this is dropped.
struct KilledProcess(u64);

impl Drop for KilledProcess {
    fn drop(&mut self) {
        signal(&self.0.to_string(), "KILL");
    }
}

#[test]
fn refuses_one_of_two_successors() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    // The daemon is stopped, so both successors connect before it answers either.
    daemon.signal("STOP");
    let old = daemon.process();
    thread::scope(|scope| {
        let upgrades = [(), ()].map(|()| scope.spawn(|| daemon.start_successor()));
        let successors = upgrades.map(|upgrade| upgrade.join().expect("it is started"));
        signal(&old.to_string(), "CONT");
        let refused = daemon.wait_for_one_to_fail(successors);
        assert_eq!(refused.code(), Some(1), "{refused}");
    });
    assert_ne!(daemon.process(), old);
    assert_eq!(daemon.get(HOST, "/").status, 200);
    assert!(
        daemon.log().contains("another upgrade is in progress"),
        "{}",
        daemon.log()
    );
    daemon.wait_for_former();
}

#[test]
fn replaces_the_socket_of_a_killed_process_and_protects_it_from_other_users() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let socket = daemon.scratch().join("upgrade/socket");
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("the file exists")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().expect("a folder")), 0o700);
    daemon.signal("KILL");
    daemon.restart();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    daemon.upgrade();
    daemon.wait_for_former();
}

#[test]
fn a_unix_socket_of_the_admin_api_reaches_the_successor_and_survives_the_predecessor() {
    let folder = folder(gateway());
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let path = scratch.path().join("admin.sock");
    let daemon = Daemon::of(&folder).echo().upgradable().admin_at(&path);
    for _ in 0..2 {
        daemon.upgrade();
        daemon.wait_for_former();
        assert_eq!(daemon.admin_json("/status")["pid"], daemon.process());
    }
    let files = fs::read_dir(scratch.path()).expect("the folder").count();
    assert_eq!(files, 1, "the folder must contain only the socket");
}

/// A simulated successor that sends single messages.
struct FakeSuccessor(Socket);

impl FakeSuccessor {
    fn connect(daemon: &Daemon) -> Self {
        let path = daemon.scratch().join("upgrade/socket");
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
        let address = SockAddr::unix(path).expect("a path");
        socket.connect(&address).expect("the daemon listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        FakeSuccessor(socket)
    }

    fn send(&self, message: &str) -> Value {
        self.0.send(message.as_bytes()).expect("sent");
        let mut answer = vec![0; 65536];
        let length = (&self.0).read(&mut answer).expect("an answer in time");
        serde_json::from_slice(&answer[..length]).unwrap_or_default()
    }
}

#[test]
fn a_successor_that_dies_before_it_serves_does_not_affect_the_daemon() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let successor = FakeSuccessor::connect(&daemon);
    let answer = successor.send(r#"{"hello": {"protocol": 1, "version": "0.1.0"}}"#);
    let sockets = answer["sockets"]["sockets"].as_array().expect("sockets");
    assert_eq!(sockets.len(), 2, "a listener and the admin API: {answer}");
    folder.replace("route.yaml", HOST, "other.example.com");
    // The successor has the sockets, so the daemon applies no change meanwhile.
    assert_eq!(daemon.get(HOST, "/").status, 200);
    drop(successor);
    daemon.wait_for_status("other.example.com", "/", 200);
    daemon.upgrade();
}

#[test]
fn refuses_a_successor_with_another_protocol_version() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let successor = FakeSuccessor::connect(&daemon);
    let hello = r#"{"hello": {"protocol": 99, "version": "9.0.0", "more": [1]}}"#;
    let answer = successor.send(hello);
    let reason = answer["refused"]["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("9.0.0") && reason.contains("99"),
        "{reason}"
    );
    let answer = FakeSuccessor::connect(&daemon).send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(answer, Value::Null, "the connection must be closed");
}

#[test]
fn a_daemon_that_ends_refuses_a_successor_at_once() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    // The request is incomplete, so the daemon waits for its end.
    let mut busy = daemon.connect();
    let beginning = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\n");
    busy.begin(beginning.as_bytes()).expect("sent");
    daemon.signal("TERM");
    eventually("no connection is accepted any more", || {
        client::Client::connect(daemon.socket(80))
            .is_err()
            .then_some(())
    });
    let successor = FakeSuccessor::connect(&daemon);
    let answer = successor.send(r#"{"hello": {"protocol": 1, "version": "0.1.0"}}"#);
    let reason = answer["refused"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("it ends"), "{reason}");
    busy.begin(b"x").expect("sent");
    assert_eq!(busy.answer().expect("an answer").status, 200);
    assert!(daemon.ended().success());
}
