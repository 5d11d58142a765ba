//! The time limits of rules, with endpoints that are slow in different ways.

use crate::Timeouts;
use crate::tests::backends::upgrade::UPGRADE;
use crate::tests::support::Client;
use crate::tests::support::{
    Gateway, Upstream, port_for_clients, port_of, rule, run_curl, soon, to,
};
use gatefold_dataplane::Port;
use gatefold_dataplane::client_traffic::{ClientTraffic, RequestLimits};
use gatefold_dataplane::timeouts::{RuleTimeouts, TimeLimit};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any step that doesn't wait.
const LIMIT: Duration = Duration::from_millis(300);

/// Distinguishes this limit from the proxy's own timeouts, which are a minute.
const SOON: Duration = Duration::from_secs(10);

fn limited(address: SocketAddr, request: TimeLimit, backend_request: TimeLimit) -> Port {
    let timeouts = RuleTimeouts {
        request,
        backend_request,
    };
    port_of(gatefold_dataplane::Rule {
        timeouts,
        ..rule(to(&[address]))
    })
}

/// Starts a backend that reads the header of a request and then runs this, once per connection.
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

/// Starts a backend that sends this, and then a piece now and then without end.
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
async fn time_limit_of_request_or_attempt_is_504() {
    let slow = dripping("HTTP/1.1 200 OK\r\nSlow: ", "x").await;
    let silent = backend(|client| async move {
        let _open = client;
        std::future::pending().await
    })
    .await;
    let set = TimeLimit::After(LIMIT);
    for address in [slow, silent] {
        for (request, backend_request) in [
            (set, TimeLimit::Unset),
            (TimeLimit::Unset, set),
            (TimeLimit::Off, set),
            (set, TimeLimit::Off),
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
async fn upload_to_a_backend_that_does_not_read_is_504() {
    let address = backend(|client| async move {
        let _open = client;
        std::future::pending().await
    })
    .await;
    // Long enough to fill all buffers on the way.
    let limited = limited(
        address,
        TimeLimit::After(Duration::from_secs(3)),
        TimeLimit::Unset,
    );
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
async fn zero_lets_a_backend_be_silent_beyond_the_default_timeout() {
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
        (TimeLimit::Unset, TimeLimit::Unset, 504),
        (TimeLimit::Off, TimeLimit::Unset, 200),
        (TimeLimit::Unset, TimeLimit::Off, 200),
        (TimeLimit::After(SOON), TimeLimit::Unset, 200),
    ] {
        let port = limited(late, request, backend_request);
        let gateway = Gateway::with(port, timeouts()).await;
        let answer = gateway.get("/").await;
        assert_eq!(answer.status(), status, "{request:?} {backend_request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_takes_too_long_is_cut_off_and_not_completed() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    // More than is buffered before it is sent.
    let large = Box::leak("x".repeat(4096).into_boxed_str());
    for (head, piece) in [(chunks, "1\r\nx\r\n"), (length, large)] {
        let address = dripping(head, piece).await;
        let port = limited(address, TimeLimit::After(LIMIT), TimeLimit::Unset);
        let gateway = Gateway::start(port).await;
        let mut client = gateway.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let header = client.answer(true).await;
        assert_eq!(header.status(), 200);
        let mut rest = Vec::new();
        let read = soon(client.stream.read_to_end(&mut rest)).await;
        read.expect("a graceful end");
        assert!(rest.len() < 100_000, "the body is complete");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "the body was completed");
    }
}

/// The end of the connection marks the end of such a body, so only a reset shows that it is incomplete.
#[tokio::test(flavor = "multi_thread")]
async fn body_without_a_length_is_cut_off_by_a_reset() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let address = dripping(chunks, "1\r\nx\r\n").await;
    let port = limited(address, TimeLimit::Unset, TimeLimit::After(LIMIT));
    let gateway = Gateway::start(port).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let mut answer = Vec::new();
    let error = soon(client.stream.read_to_end(&mut answer)).await;
    let error = error.expect_err("it must not look complete");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_stream_is_reset_at_the_time_limit() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let address = dripping(chunks, "1\r\nx\r\n").await;
    let port = limited(address, TimeLimit::After(LIMIT), TimeLimit::Unset);
    let gateway = Gateway::start(port).await;
    let url = format!("http://{}/", gateway.address);
    let output = run_curl(&["--http2-prior-knowledge", &url], b"").await;
    let printed = String::from_utf8_lossy(&output.stderr);
    // "Stream error in the HTTP/2 framing layer".
    assert_eq!(output.status.code(), Some(92), "{printed}");
    assert!(
        output.stdout.starts_with(b"x"),
        "data before the reset is lost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_upload_is_408() {
    let upstream = Upstream::plain().await;
    let port = limited(upstream.address, TimeLimit::After(LIMIT), TimeLimit::Unset);
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
    assert!(
        client.ended().await,
        "the rest of the body may still arrive"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_that_keeps_a_client_waiting_for_100_is_504() {
    let silent = backend(|client| async move {
        let _open = client;
        std::future::pending().await
    })
    .await;
    let port = limited(silent, TimeLimit::After(LIMIT), TimeLimit::Unset);
    let gateway = Gateway::start(port).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status(), 504, "{}", answer.head);
}

/// `100 Continue` isn't the response: the time for the body goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_after_100_continue_must_arrive_in_time() {
    let waiting = backend(|mut client| async move {
        client.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        std::future::pending().await
    })
    .await;
    let traffic = ClientTraffic {
        request_limits: RequestLimits {
            received: Some(LIMIT),
            idle: None,
        },
        ..ClientTraffic::default()
    };
    let gateway = Gateway::start(port_for_clients(to(&[waiting]), traffic)).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.status(), 100);
    let answer = tokio::time::timeout(SOON, client.answer(false)).await;
    assert_eq!(answer.expect("an answer in time").status(), 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_is_reused_beyond_the_limits_of_its_requests() {
    let upstream = Upstream::plain().await;
    let port = limited(upstream.address, TimeLimit::After(LIMIT), TimeLimit::Unset);
    let gateway = Gateway::start(port).await;
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer(false).await.status(), 200);
        tokio::time::sleep(LIMIT + LIMIT / 10).await;
    }
    assert_eq!(upstream.connections(), 1, "the connection was not reused");
}

/// Opens a WebSocket, stays silent beyond all other limits, and then sends data.
async fn hold_a_silent_web_socket(timeouts: Timeouts, of_rule: TimeLimit) {
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
async fn websocket_continues_beyond_the_limits_of_its_rule() {
    hold_a_silent_web_socket(Timeouts::default(), TimeLimit::After(LIMIT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_may_be_silent_beyond_the_timeouts_of_endpoint_and_client() {
    let timeouts = Timeouts {
        upstream_read: LIMIT,
        downstream_read: LIMIT,
        ..Timeouts::default()
    };
    hold_a_silent_web_socket(timeouts, TimeLimit::Unset).await;
}

/// The longer timeout applies only after the upgrade.
#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_does_not_respond_to_an_upgrade_is_504() {
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
async fn idle_connection_to_an_endpoint_is_closed() {
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
    let port = limited(address, TimeLimit::Unset, TimeLimit::Unset);
    let gateway = Gateway::with(port, timeouts).await;
    // The second request gets a new connection.
    for _ in 0..2 {
        assert_eq!(gateway.get("/").await.status(), 200);
        let end = soon(ended.recv()).await.expect("the end");
        assert_eq!(end, Ok(0), "the endpoint sees an error");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_reads_slowly_does_not_make_its_endpoint_count_as_silent() {
    // More than the sockets hold.
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
            .expect("the whole body is read");
    })
    .await;
    let timeouts = Timeouts {
        upstream_read: 3 * LIMIT,
        ..Timeouts::default()
    };
    let port = limited(address, TimeLimit::Unset, TimeLimit::Unset);
    let gateway = Gateway::with(port, timeouts).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.peek().await;
    // Longer than the timeout of a silent endpoint.
    tokio::time::sleep(6 * LIMIT).await;
    assert_eq!(client.answer(false).await.body.len(), LENGTH);
}
