//! The limit on client connections.

use crate::Timeouts;
use crate::tests::support::{Client, Gateway, Upstream, port, soon, to};
use gatefold_dataplane::Port;
use gatefold_listen::{Deadlines, ListenOptions};
use std::num::NonZeroUsize;
use std::time::Duration;
use tokio::net::TcpStream;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn gateway(port: Port, limit: usize) -> Gateway {
    // Only makes the sweep frequent: no test speaks HTTP/2.
    let deadlines = Deadlines {
        http2_idle: Duration::from_millis(80),
        ..Deadlines::default()
    };
    let options = ListenOptions {
        max_connections: NonZeroUsize::new(limit).expect("a limit"),
        deadlines,
        ..ListenOptions::default()
    };
    Gateway::taking(port, Timeouts::default(), options).await
}

/// Opens a connection with a request in flight that never completes.
async fn busy(gateway: &Gateway) -> Client<TcpStream> {
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        .await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn longest_idle_connections_are_closed_for_new_ones() {
    let upstream = Upstream::plain().await;
    let gateway = gateway(port(to(&[upstream.address])), 2).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = gateway.connect().await;
        client.send(REQUEST).await;
        assert_eq!(client.answer(false).await.status(), 200);
        kept.push(client);
        // The next connection is idle for some ticks less.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut new = gateway.connect().await;
    new.send(REQUEST).await;
    assert_eq!(new.answer(false).await.status(), 200);
    assert!(
        kept.remove(0).ended().await,
        "the connection that was idle longest stays open"
    );
    let mut other = kept.remove(0);
    other.send(REQUEST).await;
    assert_eq!(
        other.answer(false).await.status(),
        200,
        "the other idle connection was closed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn client_beyond_the_limit_waits_until_a_request_completes() {
    let upstream = Upstream::plain().await;
    let gateway = gateway(port(to(&[upstream.address])), 2).await;
    let mut first = busy(&gateway).await;
    let _second = busy(&gateway).await;
    gateway.open(2).await;
    let mut waiting = gateway.connect().await;
    waiting.send(REQUEST).await;
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.peek());
    assert!(early.await.is_err(), "the limit was exceeded");
    first.send("x").await;
    let answer = first.answer(false).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.header("connection"),
        ["close"],
        "a client is waiting"
    );
    assert!(first.ended().await);
    assert_eq!(waiting.answer(false).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_applies_to_all_sockets_together() {
    let upstream = Upstream::plain().await;
    let mut gateway = gateway(port(to(&[upstream.address])), 1).await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = gateway
        .sockets
        .adopt(other.into())
        .expect("a socket")
        .address;
    let both = [gateway.address, other];
    gateway
        .publish(both.map(|address| (address, port(to(&[upstream.address])))))
        .await;
    let first = busy(&gateway).await;
    gateway.open(1).await;
    let mut second = Client::new(TcpStream::connect(other).await.expect("queued"));
    second.send(REQUEST).await;
    let early = tokio::time::timeout(Duration::from_millis(300), second.peek());
    assert!(early.await.is_err(), "the limit was exceeded");
    drop(first);
    assert_eq!(second.answer(false).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_at_the_limit_can_be_closed_and_serves_its_accepted_connections() {
    let upstream = Upstream::plain().await;
    let mut gateway = gateway(port(to(&[upstream.address])), 1).await;
    let _busy = busy(&gateway).await;
    gateway.open(1).await;
    let mut waiting = gateway.connect().await;
    waiting.send(REQUEST).await;
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.peek());
    assert!(early.await.is_err(), "the limit was exceeded");
    soon(gateway.publish([])).await;
    let answer = waiting.answer(false).await;
    assert_eq!(answer.status(), 200, "the accepted connection is served");
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(waiting.ended().await);
}
