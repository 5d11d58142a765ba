//! A new process takes over from the one that runs, and no client notices.

use crate::support::DEADLINE;
use crate::support::client;
use crate::support::daemon::{Daemon, signal};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, gateway_named, gateway_with, route, service};
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

/// Gateways with so many listeners altogether, the first on port 80, and their ports.
fn many(count: u16) -> (String, Vec<u16>) {
    /// The API allows a Gateway no more.
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
fn forty_listeners_are_handed_over_under_traffic_again_and_again() {
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
                    let answer = answer.expect("a new connection is answered");
                    assert_eq!(answer.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stop = StopAtEnd(&stop);
        for _ in 0..UPGRADES {
            let before = answered.load(Ordering::Relaxed);
            let old = daemon.process();
            daemon.upgrade();
            assert_ne!(daemon.process(), old);
            daemon.wait_for_former();
            eventually("traffic goes on", || {
                (answered.load(Ordering::Relaxed) > before + ports.len()).then_some(())
            });
        }
    });
}

/// Ends the traffic also when an assertion fails, else the test would hang.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn more_listeners_than_one_message_takes_are_handed_over() {
    let (gateway, ports) = many(300);
    let folder = folder(gateway);
    let daemon = daemon_with(&folder, &ports);
    daemon.upgrade();
    daemon.wait_for_former();
    for port in &ports {
        // The route is attached to the first Gateway alone.
        let answer = client::get(daemon.socket(*port), HOST, "/");
        assert!([200, 404].contains(&answer.status), "{}", answer.status);
    }
}

#[test]
fn a_new_process_that_fails_leaves_the_old_one_as_it_was() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let process = daemon.process();
    let mut kept = daemon.connect();
    assert_eq!(kept.get(HOST, "/", &[]).expect("an answer").status, 200);
    for (extra, why) in [
        (["--config-dir", "nowhere"], "a folder that isn't there"),
        (["--address", "nowhere"], "a flag that can't be read"),
        (["--admin", "192.0.2.1:80"], "an admin address of nobody"),
    ] {
        let status = daemon.upgrade_in_vain(extra);
        assert!(!status.success(), "{why}: {status}");
        assert_eq!(daemon.admin_json("/status")["pid"], process, "{why}");
        assert_eq!(daemon.get(HOST, "/").status, 200, "{why}");
        assert_eq!(kept.get(HOST, "/", &[]).expect("kept").status, 200, "{why}");
    }
    // It still reloads, too.
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
    let _new = EndedAtEnd(new);
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let ended = daemon.ended();
    assert!(ended.success(), "{ended}");
}

/// A process that isn't a child of the test.
struct EndedAtEnd(u64);

impl Drop for EndedAtEnd {
    fn drop(&mut self) {
        signal(&self.0.to_string(), "KILL");
    }
}

#[test]
fn of_two_successors_one_is_refused() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    // It stands still, so both of them find it before it serves either.
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
fn the_socket_of_a_killed_process_is_no_hindrance_and_a_stranger_gets_nothing() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let socket = daemon.scratch().join("upgrade/socket");
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
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
fn a_unix_socket_of_the_admin_api_leads_to_the_successor_and_outlives_the_predecessor() {
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
    assert_eq!(files, 1, "nothing is left beside the socket");
}

/// A successor that the test plays, message by message.
struct Successor(Socket);

impl Successor {
    fn connect(daemon: &Daemon) -> Self {
        let path = daemon.scratch().join("upgrade/socket");
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
        let address = SockAddr::unix(path).expect("a path");
        socket.connect(&address).expect("the daemon listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        Successor(socket)
    }

    fn say(&self, message: &str) -> Value {
        self.0.send(message.as_bytes()).expect("sent");
        let mut answer = vec![0; 65536];
        let length = (&self.0).read(&mut answer).expect("an answer in time");
        serde_json::from_slice(&answer[..length]).unwrap_or_default()
    }
}

#[test]
fn a_successor_that_dies_before_it_serves_leaves_the_daemon_as_it_was() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let successor = Successor::connect(&daemon);
    let answer = successor.say(r#"{"hello": {"protocol": 1, "version": "0.1.0"}}"#);
    let sockets = answer["sockets"]["sockets"].as_array().expect("sockets");
    assert_eq!(sockets.len(), 2, "a listener and the admin API: {answer}");
    folder.replace("route.yaml", HOST, "other.example.com");
    // It has the sockets, so nothing changes under it.
    assert_eq!(daemon.get(HOST, "/").status, 200);
    drop(successor);
    daemon.wait_for_status("other.example.com", "/", 200);
    daemon.upgrade();
}

#[test]
fn a_successor_that_speaks_another_protocol_is_refused_politely() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    let successor = Successor::connect(&daemon);
    let hello = r#"{"hello": {"protocol": 99, "version": "9.0.0", "more": [1]}}"#;
    let answer = successor.say(hello);
    let reason = answer["refused"]["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("9.0.0") && reason.contains("99"),
        "{reason}"
    );
    let answer = Successor::connect(&daemon).say("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(answer, Value::Null, "the connection is closed");
}

#[test]
fn a_successor_of_a_daemon_that_ends_is_refused_at_once() {
    let folder = folder(gateway());
    let daemon = Daemon::of(&folder).echo().upgradable().start();
    // A request that isn't complete: the daemon waits for its end.
    let mut busy = daemon.connect();
    let beginning = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\n");
    busy.begin(beginning.as_bytes()).expect("sent");
    daemon.signal("TERM");
    eventually("nothing is accepted any more", || {
        client::Client::connect(daemon.socket(80))
            .is_err()
            .then_some(())
    });
    let successor = Successor::connect(&daemon);
    let answer = successor.say(r#"{"hello": {"protocol": 1, "version": "0.1.0"}}"#);
    let reason = answer["refused"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("it ends"), "{reason}");
    busy.begin(b"x").expect("sent");
    assert_eq!(busy.answer().expect("an answer").status, 200);
    assert!(daemon.ended().success());
}
