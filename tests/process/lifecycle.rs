//! Signals, and the end of the process.

use crate::support::backend::{TestBackend, respond};
use crate::support::client::{Client, Response};
use crate::support::daemon::{Daemon, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::endpoint_slice;
use std::io;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

const HOST: &str = "www.example.com";

/// A daemon with a request in flight, which its backend holds.
struct BusyDaemon {
    daemon: Daemon,
    /// Lets the backend answer.
    release: Sender<()>,
    request: thread::JoinHandle<io::Result<Response>>,
    _folder: Folder,
}

impl BusyDaemon {
    fn start(extra: &[&str]) -> Self {
        let (arrive, arrived) = channel();
        let (release, released) = channel();
        let ends = Mutex::new((arrive, released));
        let backend = TestBackend::answering(move |_, wire| {
            let ends = ends.lock().expect("no backend panicked");
            // Fails only if the test is over.
            let _ = ends.0.send(());
            let _ = ends.1.recv();
            respond(wire, "done")
        });
        let folder = Folder::with_route(HOST);
        folder.write("slice.yaml", endpoint_slice("one", backend.address()));
        let start = Daemon::of(&folder);
        let daemon = extra
            .iter()
            .fold(start, |start, one| start.arg(*one))
            .start();
        let mut client = daemon.connect();
        let request = thread::spawn(move || client.get(HOST, "/", &[]));
        arrived.recv().expect("the request reaches the backend");
        BusyDaemon {
            daemon,
            release,
            request,
            _folder: folder,
        }
    }

    fn outcome(self) -> (io::Result<Response>, ExitStatus) {
        let answer = self.request.join().expect("the client's thread");
        (answer, self.daemon.ended())
    }
}

#[test]
fn starts_although_a_ca_certificate_of_the_system_is_unreadable() {
    let backend = TestBackend::answering(|_, wire| respond(wire, "served"));
    let folder = Folder::with_route(HOST);
    folder.write("slice.yaml", endpoint_slice("one", backend.address()));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let outside = Folder::new();
    outside.write("bundle.pem", broken);
    let bundle = outside.path().join("bundle.pem");
    let daemon = Daemon::of(&folder)
        .environment("SSL_CERT_FILE", bundle)
        .start();
    assert_eq!(daemon.get(HOST, "/").body, b"served");
}

#[test]
fn sigterm_and_sigint_let_requests_finish_and_refuse_new_ones() {
    for signal in ["TERM", "INT"] {
        let busy = BusyDaemon::start(&[]);
        let daemon = &busy.daemon;
        daemon.signal(signal);
        let not_ready = eventually("the daemon is not ready any more", || {
            let answer = daemon.admin("/readyz");
            (answer.status == 503).then_some(answer)
        });
        assert!(
            not_ready.text().contains("shutting down"),
            "{}",
            not_ready.text()
        );
        assert_eq!(
            daemon.admin("/livez").status,
            200,
            "the daemon must stay alive"
        );
        let health = gatefold()
            .args(["health", "--admin", &daemon.admin_address()])
            .output();
        assert_eq!(health.expect("gatefold runs").status.code(), Some(1));
        eventually("no connection is accepted any more", || {
            Client::connect(daemon.socket(80)).is_err().then_some(())
        });
        busy.release.send(()).expect("the backend waits");
        let (answer, ended) = busy.outcome();
        assert_eq!(answer.expect("a complete answer").text(), "done");
        assert_eq!(ended.code(), Some(0), "after SIG{signal}");
    }
}

#[test]
fn a_second_signal_ends_the_daemon_at_once_with_a_failure() {
    let busy = BusyDaemon::start(&[]);
    busy.daemon.signal("TERM");
    eventually("the daemon drains", || {
        (busy.daemon.admin("/readyz").status == 503).then_some(())
    });
    busy.daemon.signal("TERM");
    let (answer, ended) = busy.outcome();
    assert!(answer.is_err(), "the request must be cut");
    assert!(ended.code().is_some_and(|code| code != 0), "{ended}");
}

#[test]
fn the_drain_timeout_cuts_unfinished_requests() {
    let busy = BusyDaemon::start(&["--drain-timeout=1"]);
    busy.daemon.signal("TERM");
    let (answer, ended) = busy.outcome();
    assert!(answer.is_err(), "the request must be cut");
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn hundreds_of_queued_connections_are_answered_after_sigterm() {
    const CLIENTS: usize = 300;
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    // While the daemon is stopped, the system completes connections and buffers requests. SIGTERM is pending, too.
    daemon.signal("STOP");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| daemon.connect()).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    for client in &mut clients {
        client.begin(request.as_bytes()).expect("sent");
    }
    daemon.signal("TERM");
    daemon.signal("CONT");
    for (index, client) in clients.iter_mut().enumerate() {
        let answer = client.answer();
        let answer = answer.unwrap_or_else(|error| panic!("client {index}: {error}"));
        assert_eq!(answer.status, 200);
    }
    drop(clients);
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn a_persistent_connection_gets_a_last_answer_with_connection_close() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    let mut persistent = daemon.connect();
    let first = persistent.get(HOST, "/", &[]).expect("an answer");
    assert_ne!(first.header("connection"), Some("close"));
    daemon.signal("TERM");
    eventually("no connection is accepted any more", || {
        Client::connect(daemon.socket(80)).is_err().then_some(())
    });
    let last = persistent.get(HOST, "/", &[]).expect("the last answer");
    assert_eq!(last.status, 200);
    assert_eq!(last.header("connection"), Some("close"));
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn ignores_other_signals() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    for signal in ["USR1", "USR2", "PIPE"] {
        daemon.signal(signal);
    }
    // The daemon handles signals in order: after the reload, it has handled all of them.
    daemon.signal("HUP");
    daemon.wait_for_summary("SIGHUP has reloaded", |status| {
        (status["generation"]["applied"] == 2).then_some(())
    });
    assert_eq!(daemon.get(HOST, "/").status, 200);
}
