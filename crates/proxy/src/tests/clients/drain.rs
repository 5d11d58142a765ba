//! Removed listeners, and their requests in flight.

use crate::Timeouts;
use crate::tests::support::{Client, Gateway, Upstream, port, soon, to};
use gatefold_listen::{Deadlines, ListenOptions};
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(400);

async fn gateway(backend: SocketAddr, drain: Duration) -> Gateway {
    let deadlines = Deadlines {
        drain,
        ..Deadlines::default()
    };
    let options = ListenOptions {
        deadlines,
        ..ListenOptions::default()
    };
    Gateway::taking(port(to(&[backend])), Timeouts::default(), options).await
}

/// Starts a backend whose response never ends: it sends a chunk now and then.
async fn endless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(drip(Client::new(tcp)));
        }
    });
    address
}

async fn drip(mut client: Client<TcpStream>) {
    client.message(false, false).await;
    let mut bytes: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    while client.stream.write_all(bytes).await.is_ok() {
        bytes = b"1\r\nx\r\n";
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Opens an HTTP/2 connection and drives it in the background.
async fn http2(
    address: SocketAddr,
) -> (
    h2::client::SendRequest<bytes::Bytes>,
    impl Future<Output = Result<(), h2::Error>>,
) {
    let tcp = TcpStream::connect(address).await;
    let made = h2::client::handshake(tcp.expect("a connection")).await;
    let (client, connection) = made.expect("HTTP/2");
    let driven = tokio::spawn(connection);
    (client, async move { driven.await.expect("no panic") })
}

fn request() -> http::Request<()> {
    let request = http::Request::get("http://a/");
    request.body(()).expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn download_continues_for_the_drain_time_and_is_then_cut_off() {
    let mut gateway = gateway(endless().await, SHORT).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.bytes(100).await;
    let began = Instant::now();
    gateway.publish([]).await;
    assert!(client.ends_somehow().await);
    assert!(began.elapsed() >= SHORT, "cut after {:?}", began.elapsed());
    gateway.all_gone().await;
}

/// The end of the connection marks the end of such a body, so only a reset shows that it is incomplete.
#[test]
fn download_without_a_length_is_cut_off_by_a_reset() {
    // By its own timeout, and by the end of the process before that.
    for (drain, patience, open) in [(SHORT, LONG, 0), (LONG, SHORT, 1)] {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let mut gateway = runtime.block_on(async { gateway(endless().await, drain).await });
        let mut client = std::net::TcpStream::connect(gateway.address).expect("a connection");
        client.set_read_timeout(Some(LONG)).expect("an option");
        let request = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n";
        client.write_all(request).expect("sent");
        client.read_exact(&mut [0; 100]).expect("a beginning");
        let left = runtime.block_on(gateway.sockets.shutdown(patience));
        assert_eq!(left, open, "still open");
        runtime.shutdown_background();
        let end = client.read_to_end(&mut Vec::new());
        let error = end.expect_err("it must not look complete");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{open} open");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_download_without_a_length_ends_gracefully() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gateway = gateway(listener.local_addr().expect("its address"), LONG).await;
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a connection");
        let mut endpoint = Client::new(tcp);
        endpoint.message(true, false).await;
        endpoint.send("HTTP/1.1 200 OK\r\n\r\nall").await;
    });
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let mut answer = Vec::new();
    let end = soon(client.stream.read_to_end(&mut answer)).await;
    end.expect("no reset");
    assert!(answer.ends_with(b"all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_client_gets_a_goaway_and_its_streams_continue_for_the_drain_time() {
    let mut gateway = gateway(endless().await, SHORT).await;
    let (mut client, ended) = http2(gateway.address).await;
    let (answer, _) = client.send_request(request(), true).expect("a stream");
    let answer = soon(answer).await.expect("an answer");
    let mut body = answer.into_body();
    soon(body.data()).await.expect("data").expect("data");
    let began = Instant::now();
    gateway.publish([]).await;
    let refused = soon(async {
        // The stream in flight still gets data when the connection accepts no new streams.
        loop {
            soon(body.data()).await.expect("data").expect("data");
            match client.clone().ready().await {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    })
    .await;
    assert!(
        began.elapsed() < SHORT,
        "GOAWAY after {:?}",
        began.elapsed()
    );
    drop(refused);
    soon(async { while let Some(Ok(_)) = body.data().await {} }).await;
    assert!(began.elapsed() >= SHORT, "cut after {:?}", began.elapsed());
    let _ = soon(ended).await;
    gateway.all_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_http2_connection_ends_with_its_listener_without_an_error() {
    let upstream = Upstream::plain().await;
    let mut gateway = gateway(upstream.address, LONG).await;
    let (mut client, ended) = http2(gateway.address).await;
    let (answer, _) = client.send_request(request(), true).expect("a stream");
    assert_eq!(soon(answer).await.expect("an answer").status(), 200);
    gateway.publish([]).await;
    soon(ended).await.expect("GOAWAY without an error");
    gateway.all_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newly_connected_client_may_still_send_its_request() {
    let upstream = Upstream::plain().await;
    let mut gateway = gateway(upstream.address, LONG).await;
    let mut client = gateway.connect().await;
    let _silent = gateway.connect().await;
    gateway.open(2).await;
    let address = gateway.address;
    let asked = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.answer(false).await
    };
    let (left, answer) = soon(async { tokio::join!(gateway.sockets.shutdown(LONG), asked) }).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("connection"), ["close"]);
    assert_eq!(left, 0, "a silent connection delays the shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_sent_while_its_listener_is_removed_is_still_served() {
    let upstream = Upstream::plain().await;
    let mut gateway = gateway(upstream.address, LONG).await;
    let mut kept = gateway.connect().await;
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(kept.answer(false).await.status(), 200);
    gateway.publish([]).await;
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = kept.answer(false).await;
    assert_eq!(answer.status(), 200, "the listener's routes still apply");
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(kept.ended().await);
}
