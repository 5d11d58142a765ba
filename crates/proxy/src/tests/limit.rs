//! More clients than there are places.

use super::support::{Client, Gateway, Upstream, port, soon, to};
use crate::Timeouts;
use gatefold_dataplane::Port;
use gatefold_listen::{Deadlines, Options};
use std::num::NonZeroUsize;
use std::time::Duration;
use tokio::net::TcpStream;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn gateway(port: Port, places: usize) -> Gateway {
    // Only so that time is looked at often: nobody speaks HTTP/2 here.
    let deadlines = Deadlines {
        http2_idle: Duration::from_millis(80),
        ..Deadlines::default()
    };
    let options = Options {
        max_connections: NonZeroUsize::new(places).expect("a place"),
        deadlines,
        ..Options::default()
    };
    Gateway::taking(port, Timeouts::default(), options).await
}

/// A connection with a request under way that the backend answers never.
async fn busy(gateway: &Gateway) -> Client<TcpStream> {
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        .await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_make_room_for_new_ones_the_longest_idle_first() {
    let upstream = Upstream::plain().await;
    let gateway = gateway(port(to(&[upstream.address])), 2).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = gateway.connect().await;
        client.send(REQUEST).await;
        assert_eq!(client.answer(false).await.status(), 200);
        kept.push(client);
        // The next one is idle for some ticks less.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut new = gateway.connect().await;
    new.send(REQUEST).await;
    assert_eq!(new.answer(false).await.status(), 200);
    assert!(
        kept.remove(0).ended().await,
        "the one that was idle longest"
    );
    let mut other = kept.remove(0);
    other.send(REQUEST).await;
    assert_eq!(
        other.answer(false).await.status(),
        200,
        "the other one stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_place_waits_until_a_request_is_done() {
    let upstream = Upstream::plain().await;
    let gateway = gateway(port(to(&[upstream.address])), 2).await;
    let mut first = busy(&gateway).await;
    let _second = busy(&gateway).await;
    gateway.open(2).await;
    let mut waiting = gateway.connect().await;
    waiting.send(REQUEST).await;
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.peek());
    assert!(early.await.is_err(), "there was no place");
    first.send("x").await;
    let answer = first.answer(false).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("connection"), ["close"], "somebody waits");
    assert!(first.ended().await);
    assert_eq!(waiting.answer(false).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_over_all_sockets() {
    let upstream = Upstream::plain().await;
    let mut gateway = gateway(port(to(&[upstream.address])), 1).await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = gateway.sockets.adopt(other.into()).expect("a socket");
    let both = [gateway.address, other];
    gateway
        .publish(both.map(|address| (address, port(to(&[upstream.address])))))
        .await;
    let first = busy(&gateway).await;
    gateway.open(1).await;
    let mut second = Client::new(TcpStream::connect(other).await.expect("queued"));
    second.send(REQUEST).await;
    let early = tokio::time::timeout(Duration::from_millis(300), second.peek());
    assert!(early.await.is_err(), "there was no place");
    drop(first);
    assert_eq!(second.answer(false).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_waits_for_a_place_can_be_closed_and_serves_what_it_has_accepted() {
    let upstream = Upstream::plain().await;
    let mut gateway = gateway(port(to(&[upstream.address])), 1).await;
    let _busy = busy(&gateway).await;
    gateway.open(1).await;
    let mut waiting = gateway.connect().await;
    waiting.send(REQUEST).await;
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.peek());
    assert!(early.await.is_err(), "there was no place");
    soon(gateway.publish([])).await;
    let answer = waiting.answer(false).await;
    assert_eq!(answer.status(), 200, "it isn't reset");
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(waiting.ended().await);
}
