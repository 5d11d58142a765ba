//! The time limits of a rule, against endpoints that are slow in each way there is.

use super::client::Client;
use super::support::{Gateway, Upstream, port_of, rule, run_curl, soon, to};
use super::upgrade::UPGRADE;
use crate::Timeouts;
use gatefold_dataplane::Port;
use gatefold_dataplane::timeouts::{Limit, RuleTimeouts};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything that is not waited for takes.
const LIMIT: Duration = Duration::from_millis(300);

/// What tells a limit that was kept from one of the proxy's own, a minute.
const SOON: Duration = Duration::from_secs(10);

fn limited(address: SocketAddr, request: Limit, backend_request: Limit) -> Port {
    let timeouts = RuleTimeouts {
        request,
        backend_request,
    };
    port_of(gatefold_dataplane::Rule {
        timeouts,
        ..rule(to(&[address]))
    })
}

/// A backend that reads a request's header and then does this, once a connection.
async fn backend<F>(then: impl Fn(Client<TcpStream>) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut client = Client::new(tcp);
            if client.message(true, false).await.is_some() {
                tokio::spawn(then(client));
            }
        }
    });
    address
}

/// A backend that sends this, and then a byte now and then without end.
async fn dripping(beginning: &'static str, drop: &'static str) -> SocketAddr {
    backend(move |mut client| async move {
        let mut next = beginning;
        while client.stream.write_all(next.as_bytes()).await.is_ok() {
            tokio::time::sleep(LIMIT / 20).await;
            next = drop;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_request_or_of_the_try_is_504() {
    let slow = dripping("HTTP/1.1 200 OK\r\nSlow: ", "x").await;
    let silent = backend(|client| async move {
        let _open = client;
        std::future::pending().await
    })
    .await;
    let set = Limit::After(LIMIT);
    for address in [slow, silent] {
        for (request, backend_request) in [
            (set, Limit::Unset),
            (Limit::Unset, set),
            (Limit::Off, set),
            (set, Limit::Off),
        ] {
            let began = Instant::now();
            let gateway = Gateway::start(limited(address, request, backend_request)).await;
            let answer = gateway.get("/").await;
            assert_eq!(answer.status(), 504, "{request:?} {backend_request:?}");
            let took = began.elapsed();
            assert!(took >= LIMIT && took < SOON, "{took:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_backend_does_not_read_is_504() {
    let address = backend(|client| async move {
        let _open = client;
        std::future::pending().await
    })
    .await;
    // Long enough for all buffers on the way to become full.
    let limited = limited(address, Limit::After(Duration::from_secs(3)), Limit::Unset);
    let gateway = Gateway::start(limited).await;
    let mut client = gateway.connect().await;
    let upload = vec![b'x'; 99_999_999];
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
        .await;
    let (mut reader, mut writer) = client.stream.into_split();
    let sending = tokio::spawn(async move { writer.write_all(&upload).await });
    let mut status = [0; 12];
    soon(reader.read_exact(&mut status))
        .await
        .expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 504");
    sending.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_lets_a_backend_be_silent_longer_than_others_may() {
    let late = backend(|mut client| async move {
        tokio::time::sleep(LIMIT).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        client.stream.write_all(answer).await.expect("sent");
    })
    .await;
    let timeouts = || Timeouts {
        upstream_read: LIMIT / 10,
        ..Timeouts::default()
    };
    for (request, backend_request, status) in [
        (Limit::Unset, Limit::Unset, 504),
        (Limit::Off, Limit::Unset, 200),
        (Limit::Unset, Limit::Off, 200),
        (Limit::After(SOON), Limit::Unset, 200),
    ] {
        let port = limited(late, request, backend_request);
        let gateway = Gateway::with(port, timeouts()).await;
        let answer = gateway.get("/").await;
        assert_eq!(answer.status(), status, "{request:?} {backend_request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_takes_too_long_is_cut_off_and_not_ended() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    // More than is kept back until there is more to send.
    let large = Box::leak("x".repeat(4096).into_boxed_str());
    for (head, piece) in [(chunks, "1\r\nx\r\n"), (length, large)] {
        let address = dripping(head, piece).await;
        let port = limited(address, Limit::After(LIMIT), Limit::Unset);
        let gateway = Gateway::start(port).await;
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let header = client.answer(true).await;
        assert_eq!(header.status(), 200);
        let mut rest = Vec::new();
        let read = soon(client.stream.read_to_end(&mut rest)).await;
        read.expect("what came before is delivered");
        assert!(rest.len() < 100_000, "the body is complete");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "the body was ended");
    }
}

/// The end of the connection is the end of such a body, so only a reset shows that it isn't complete.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_is_cut_off_by_a_reset() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let address = dripping(chunks, "1\r\nx\r\n").await;
    let port = limited(address, Limit::Unset, Limit::After(LIMIT));
    let gateway = Gateway::start(port).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let mut answer = Vec::new();
    let error = soon(client.stream.read_to_end(&mut answer)).await;
    let error = error.expect_err("it must not look complete");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_http_2_is_reset_when_its_time_is_over() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let address = dripping(chunks, "1\r\nx\r\n").await;
    let port = limited(address, Limit::After(LIMIT), Limit::Unset);
    let gateway = Gateway::start(port).await;
    let url = format!("http://{}/", gateway.address);
    let output = run_curl(&["--http2-prior-knowledge", &url], b"").await;
    let said = String::from_utf8_lossy(&output.stderr);
    // "Stream error in the HTTP/2 framing layer".
    assert_eq!(output.status.code(), Some(92), "{said}");
    assert!(output.stdout.starts_with(b"x"), "what came is delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stalls_is_408() {
    let upstream = Upstream::plain().await;
    let port = limited(upstream.address, Limit::After(LIMIT), Limit::Unset);
    let gateway = Gateway::start(port).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    let answer = client.answer(false).await;
    assert_eq!(answer.status(), 408, "{}", answer.head);
    assert!(
        answer.text().contains("took too long to arrive"),
        "{}",
        answer.text()
    );
    assert!(client.ended().await, "the rest of the body may still come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_leaves_a_client_waiting_for_100_is_504() {
    let silent = backend(|client| async move {
        let _open = client;
        std::future::pending().await
    })
    .await;
    let port = limited(silent, Limit::After(LIMIT), Limit::Unset);
    let gateway = Gateway::start(port).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status(), 504, "{}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_outlives_the_limits_of_its_requests() {
    let upstream = Upstream::plain().await;
    let port = limited(upstream.address, Limit::After(LIMIT), Limit::Unset);
    let gateway = Gateway::start(port).await;
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer(false).await.status(), 200);
        tokio::time::sleep(LIMIT + LIMIT / 10).await;
    }
    assert_eq!(upstream.connections(), 1, "it is used again");
}

/// Becomes a WebSocket, is silent for longer than anything else may be, and then speaks.
async fn hold_a_silent_web_socket(timeouts: Timeouts, of_rule: Limit) {
    let echo = backend(|mut client| async move {
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
        client.send(head).await;
        let byte = client.bytes(1).await;
        client.send(byte).await;
    })
    .await;
    let gateway = Gateway::with(limited(echo, of_rule, of_rule), timeouts).await;
    let mut client = gateway.connect().await;
    client.send(UPGRADE).await;
    assert_eq!(client.answer(true).await.status(), 101);
    tokio::time::sleep(LIMIT * 2).await;
    client.send("!").await;
    assert_eq!(client.bytes(1).await, b"!");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_goes_on_after_the_limits_of_its_rule() {
    hold_a_silent_web_socket(Timeouts::default(), Limit::After(LIMIT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_may_be_silent_for_longer_than_an_endpoint_or_a_client() {
    let timeouts = Timeouts {
        upstream_read: LIMIT,
        downstream_read: LIMIT,
        ..Timeouts::default()
    };
    hold_a_silent_web_socket(timeouts, Limit::Unset).await;
}

/// It may be silent for long only once it is a WebSocket.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_a_web_socket_is_504() {
    let address = backend(|mut client| async move {
        client.ends_somehow().await;
    })
    .await;
    let timeouts = Timeouts {
        upstream_read: LIMIT,
        ..Timeouts::default()
    };
    let gateway = Gateway::with(port_of(rule(to(&[address]))), timeouts).await;
    let answer = gateway.ask(UPGRADE).await;
    assert_eq!(answer.status(), 504, "{}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_nobody_uses_is_closed() {
    let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let address = backend(move |mut client| {
        let sender = sender.clone();
        async move {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            client.stream.write_all(answer).await.expect("sent");
            let end = soon(client.stream.read(&mut [0])).await;
            let _ = sender.send(end.map_err(|error| error.kind()));
        }
    })
    .await;
    let timeouts = Timeouts {
        upstream_idle: LIMIT / 10,
        ..Timeouts::default()
    };
    let port = limited(address, Limit::Unset, Limit::Unset);
    let gateway = Gateway::with(port, timeouts).await;
    // The second one gets a connection of its own.
    for _ in 0..2 {
        assert_eq!(gateway.get("/").await.status(), 200);
        let end = soon(ended.recv()).await.expect("the end");
        assert_eq!(end, Ok(0), "it is no failure to the endpoint");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_its_response_slowly_is_no_silent_endpoint() {
    // More than sockets hold.
    const LENGTH: usize = 32 * 1024 * 1024;
    let address = backend(|mut client| async move {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        client
            .stream
            .write_all(head.as_bytes())
            .await
            .expect("sent");
        let body = vec![b'x'; LENGTH];
        client
            .stream
            .write_all(&body)
            .await
            .expect("all of it is taken");
    })
    .await;
    let timeouts = Timeouts {
        upstream_read: 3 * LIMIT,
        ..Timeouts::default()
    };
    let port = limited(address, Limit::Unset, Limit::Unset);
    let gateway = Gateway::with(port, timeouts).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.peek().await;
    // Longer than an endpoint may be silent.
    tokio::time::sleep(6 * LIMIT).await;
    assert_eq!(client.answer(false).await.body.len(), LENGTH);
}
