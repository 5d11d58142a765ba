//! `gatefold echo`, the backend that returns the request it received.

use crate::support::client;
use crate::support::daemon::{KilledOnDrop, gatefold};
use crate::support::eventually;
use crate::support::network::{free_port, own_address};
use std::net::SocketAddr;

fn start() -> (KilledOnDrop, SocketAddr) {
    let ip = own_address();
    let address = SocketAddr::new(ip, free_port(ip));
    let child = gatefold()
        .args(["echo", "--listen", &address.to_string()])
        .env("POD_NAME", "backend-6c5b7d9f4-x2x9q")
        .env("NAMESPACE", "shop")
        .spawn()
        .expect("gatefold echo starts");
    let echo = KilledOnDrop(child);
    eventually("the echo backend listens", || {
        client::Client::connect(address).ok()
    });
    (echo, address)
}

#[test]
fn answers_with_the_request() {
    let (_echo, address) = start();
    let mut client = client::Client::connect(address).expect("a connection");
    let answer = client
        .send(
            "POST",
            "www.example.com",
            "/some/path?x=1",
            &[("x-lower-case", "kept"), ("x-lower-case", "twice")],
            b"body",
        )
        .expect("an answer");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!(json["path"], "/some/path?x=1");
    assert_eq!(json["host"], "www.example.com");
    assert_eq!(json["method"], "POST");
    assert_eq!(json["proto"], "HTTP/1.1");
    assert_eq!(
        json["headers"]["X-Lower-Case"],
        serde_json::json!(["kept", "twice"])
    );
    assert_eq!(json["pod"], "backend-6c5b7d9f4-x2x9q");
    assert_eq!(json["namespace"], "shop");
    for field in ["ingress", "service"] {
        assert!(json[field].is_string(), "{field}: {json:#}");
    }
}

#[test]
fn writes_one_field_per_line() {
    let (_echo, address) = start();
    let text = client::get(address, "www.example.com", "/get").text();
    assert!(text.contains("\n \"path\": \"/get\","), "{text}");
    assert!(
        text.contains("\n \"pod\": \"backend-6c5b7d9f4-x2x9q\""),
        "{text}"
    );
}
