//! Requests as backends receive them, and answers when a backend fails.

use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::endpoint_slice;
use crate::support::network::{free_port, own_address};
use std::io::Write as _;
use std::net::SocketAddr;

const HOST: &str = "www.example.com";

#[test]
fn sets_forwarding_headers_for_the_backend() {
    let daemon = Daemon::of(&Folder::with_route(HOST)).echo().start();
    let json = daemon.get(HOST, "/").json();
    let headers = &json["headers"];
    assert_eq!(json["host"], HOST, "the Host header must be unchanged");
    assert_eq!(headers["X-Forwarded-Proto"], serde_json::json!(["http"]));
    assert_eq!(headers["X-Forwarded-Host"], serde_json::json!([HOST]));
    let client = headers["X-Forwarded-For"][0]
        .as_str()
        .expect("X-Forwarded-For");
    assert!(client.starts_with("127."), "{client}");
    let id = headers["X-Request-Id"][0].as_str().expect("X-Request-Id");
    assert_eq!(id.len(), 36, "a UUID: {id}");
}

#[test]
fn keeps_the_request_id_of_the_client() {
    let daemon = Daemon::of(&Folder::with_route(HOST)).echo().start();
    let answer = daemon
        .connect()
        .get(HOST, "/", &[("x-request-id", "mine")])
        .expect("an answer");
    assert_eq!(
        answer.json()["headers"]["X-Request-Id"],
        serde_json::json!(["mine"])
    );
}

#[test]
fn answers_502_if_the_backend_cannot_be_reached() {
    let ip = own_address();
    let folder = Folder::with_route(HOST);
    folder.write(
        "slice.yaml",
        endpoint_slice("one", SocketAddr::new(ip, free_port(ip))),
    );
    assert_eq!(Daemon::of(&folder).start().get(HOST, "/").status, 502);
}

#[test]
fn answers_502_and_logs_the_reason_if_a_response_cannot_be_read() {
    for (fields, reason) in [
        ("X: y\r\n".repeat(257), "too many headers"),
        ("X\0: y\r\n".to_owned(), "invalid header name"),
        (
            "Content-Length: 1\r\nContent-Length: 2\r\n".to_owned(),
            "Content-Length",
        ),
        (format!("X: {}\r\n", "y".repeat(2 << 20)), "larger than"),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: secret\r\n{fields}\r\n");
        let backend =
            TestBackend::answering(move |_, wire| wire.get_mut().write_all(head.as_bytes()));
        let folder = Folder::with_route(HOST);
        folder.write("slice.yaml", endpoint_slice("one", backend.address()));
        let daemon = Daemon::of(&folder).start();
        assert_eq!(daemon.get(HOST, "/").status, 502, "{reason}");
        let log = crate::support::eventually(&format!("{reason} is in the log"), || {
            Some(daemon.log()).filter(|log| log.contains(reason))
        });
        assert!(!log.contains("secret"), "the header is in {log}");
    }
}

#[test]
fn an_endpoint_that_is_not_ready_receives_no_requests() {
    let (ready, draining) = (TestBackend::start("ready"), TestBackend::start("draining"));
    let folder = Folder::with_route(HOST);
    folder.write("slice.yaml", endpoint_slice("one", ready.address()));
    let second = endpoint_slice("one", draining.address());
    folder.write(
        "slice-2.yaml",
        second
            .replace("name: one-1", "name: one-2")
            .replace("ready: true", "ready: false"),
    );
    let daemon = Daemon::of(&folder).start();
    for _ in 0..6 {
        assert_eq!(daemon.get(HOST, "/").text(), "ready");
    }
    folder.replace("slice-2.yaml", "ready: false", "ready: true");
    crate::support::eventually("the second endpoint receives requests", || {
        (daemon.get(HOST, "/").text() == "draining").then_some(())
    });
}
