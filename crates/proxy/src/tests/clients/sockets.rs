//! Sockets that are opened, kept, and closed by a new snapshot.

use crate::tests::support::{Client, Gateway, Upstream, port, soon, to};
use gatefold_dataplane::SocketKey;
use gatefold_listen::BindFailureReason;
use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Starts a backend that responds when notified.
async fn slow() -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (go, gone) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a connection");
        let mut client = Client::new(tcp);
        client.message(false, false).await.expect("a request");
        gone.await.expect("told");
        client
            .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
            .await;
        std::future::pending::<()>().await;
    });
    (address, go)
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_listener_closes_immediately_and_completes_requests_in_flight() {
    let (backend, go) = slow().await;
    let quick = Upstream::plain().await;
    let mut gateway = Gateway::start(port(to(&[quick.address]))).await;
    let mut idle = gateway.connect().await;
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.answer(false).await.status(), 200);
    gateway
        .publish([(gateway.address, port(to(&[backend])))])
        .await;
    let mut busy = gateway.connect().await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The idle connection is still open: the change doesn't affect its socket.
    gateway.open(2).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(50), busy.message(false, false))
            .await
            .is_err()
    );
    gateway.publish([]).await;
    assert!(
        idle.ended().await,
        "an idle connection ends with its listener"
    );
    let refused = TcpStream::connect(gateway.address).await;
    assert!(refused.is_err(), "the socket is still open");
    go.send(()).expect("the backend waits");
    let answer = busy.answer(false).await;
    assert_eq!(answer.text(), "done");
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(busy.ended().await);
    assert_eq!(
        soon(gateway.sockets.shutdown(Duration::from_secs(5))).await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_snapshot_keeps_unchanged_sockets_and_connections() {
    let (before, after) = (Upstream::plain().await, Upstream::plain().await);
    let mut gateway = Gateway::start(port(to(&[before.address]))).await;
    let address = gateway.address;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.answer(false).await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = gateway.sockets.adopt(other.into()).expect("a socket");
    gateway
        .publish([
            (address, port(to(&[after.address]))),
            (other.address, port(to(&[after.address]))),
        ])
        .await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        client.answer(false).await.header("connection"),
        ["keep-alive"]
    );
    assert_eq!(
        (before.requests(), after.requests()),
        (1, 1),
        "the new routes don't apply"
    );
    assert_eq!(gateway.sockets.accepting().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn port_in_use_is_reported_and_bound_once_it_is_free() {
    let upstream = Upstream::plain().await;
    let mut gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let squatter = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = squatter.local_addr().expect("its address");
    let taken = SocketKey::tcp(taken);
    let wanted = [SocketKey::tcp(gateway.address), taken];
    let failures = gateway.sockets.prepare(wanted);
    assert_eq!(failures[&taken].reason, BindFailureReason::PortInUse);
    assert_eq!(failures.len(), 1, "{failures:?}");
    gateway.sockets.commit().await;
    let second = Duration::from_secs(1);
    let first = gateway.sockets.retry_after();
    assert!(first.is_some_and(|delay| delay <= second), "{first:?}");
    assert!(!gateway.sockets.retry(), "nothing has changed");
    let next = gateway.sockets.retry_after();
    assert!(next.is_some_and(|delay| delay > second), "{next:?}");
    assert_eq!(
        gateway.get("/").await.status(),
        200,
        "other listeners aren't served"
    );
    drop(squatter);
    assert!(gateway.sockets.retry());
    assert_eq!(gateway.sockets.retry_after(), None);
    assert!(TcpStream::connect(taken.address).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_no_longer_than_its_limit() {
    let (backend, _go) = slow().await;
    let mut gateway = Gateway::start(port(to(&[backend]))).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    gateway.open(1).await;
    let open = soon(gateway.sockets.shutdown(Duration::from_millis(50))).await;
    assert_eq!(open, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn port_on_all_addresses_and_on_one_is_our_own_conflict() {
    let upstream = Upstream::plain().await;
    let mut gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let one = SocketKey::tcp(gateway.address);
    let every = SocketKey::tcp(([0, 0, 0, 0], one.port()));
    let failures = gateway.sockets.prepare([one, every]);
    assert_eq!(failures[&every].reason, BindFailureReason::PortInUse);
    let message = &failures[&every].message;
    let own = format!("{one} is bound for another listener of these manifests");
    assert!(message.contains(&own), "{message}");
    assert!(
        !message.contains("process"),
        "blames another process: {message}"
    );
    gateway.sockets.commit().await;
    assert_eq!(
        gateway.get("/").await.status(),
        200,
        "the first listener is gone"
    );
    // Once the first is removed, the other can be bound.
    gateway.sockets.prepare([every]);
    assert!(gateway.sockets.commit().await.is_empty());
}

#[tokio::test]
async fn cancelled_change_is_completed_at_shutdown() {
    let upstream = Upstream::plain().await;
    let mut gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut kept = gateway.connect().await;
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    kept.answer(false).await;
    gateway.sockets.prepare([]);
    {
        let mut commit = pin!(gateway.sockets.commit());
        let begun = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_pending()));
        assert!(begun.await, "the commit waits for the socket's task");
    }
    let long = Duration::from_secs(600);
    assert_eq!(soon(gateway.sockets.shutdown(long)).await, 0);
    assert!(kept.ended().await, "the connection stays open");
}
