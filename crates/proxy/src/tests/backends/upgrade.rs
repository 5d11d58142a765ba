//! Upgrades to WebSocket.

use crate::Timeouts;
use crate::tests::support::{Client, Gateway, Upstream, port, to};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

pub(crate) const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Starts a backend that switches immediately, sends a greeting, and echoes.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = Client::new(tcp);
                let request = client.message(true, false).await.expect("a request");
                assert_eq!(request.header("upgrade"), ["websocket"]);
                client
                    .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
                    .await;
                loop {
                    let frame = client.bytes(4).await;
                    client.send(frame).await;
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_fast_upgrades_all_succeed() {
    let gateway = Gateway::start(port(to(&[echo().await]))).await;
    for number in 0..300 {
        let mut client = gateway.connect().await;
        client.send(UPGRADE).await;
        let answer = client.answer(true).await;
        assert_eq!(answer.status(), 101, "{number}: {}", answer.head);
        assert_eq!(answer.header("upgrade"), ["websocket"]);
        assert_eq!(client.bytes(2).await, b"hi", "{number}");
        for frame in ["ping", "pong"] {
            client.send(frame).await;
            assert_eq!(client.bytes(4).await, frame.as_bytes(), "{number}");
        }
    }
    gateway.all_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_to_another_protocol_is_an_ordinary_request() {
    const OTHER: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                         HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", OTHER] {
        client.send(request).await;
        assert_eq!(client.answer(false).await.text(), "ok");
    }
    assert!(upstream.last().header("upgrade").is_empty());
    assert_eq!(upstream.connections(), 1, "it got its own connection");

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("its address");
    let timeouts = Timeouts {
        upstream_read: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let gateway = Gateway::with(port(to(&[address])), timeouts).await;
    assert_eq!(gateway.ask(OTHER).await.status(), 504);
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_of_a_refused_upgrade_is_not_reused() {
    // The backend refuses to switch, and would continue with HTTP.
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    for number in 1..=3 {
        let mut client = gateway.connect().await;
        client.send(UPGRADE).await;
        assert_eq!(client.answer(false).await.text(), "ok");
        assert_eq!(
            upstream.connections(),
            number,
            "the connection may use TLS of another policy"
        );
    }
}
