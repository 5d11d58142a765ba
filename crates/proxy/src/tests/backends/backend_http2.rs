//! Backends that speak HTTP/2 without TLS.

use crate::tests::support::http2_upstream::{Behaviour, Http2Upstream, send};
use crate::tests::support::{Gateway, THREADS, port, port_of, port_with, rule, soon};
use bytes::Bytes;
use gatefold_dataplane::Rule;
use gatefold_dataplane::filter::path_modifier::PathModifier;
use gatefold_dataplane::filter::url_rewrite::UrlRewrite;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_dataplane::retry::RuleRetry;
use gatefold_dataplane::timeouts::{RuleTimeouts, TimeLimit};
use h2::Reason;
use h2::client::SendRequest;
use http::Request;
use std::time::Duration;
use tokio::net::TcpStream;

async fn client(gateway: &Gateway) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(gateway.address)
        .await
        .expect("a connection");
    let (sender, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn call(path: &str) -> Request<()> {
    let request = Request::post(format!("http://api.example.com{path}"));
    let request = request.header("content-type", "application/grpc");
    request
        .header("te", "trailers")
        .body(())
        .expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn bidirectional_stream_is_forwarded_and_ends_with_its_trailers() {
    let upstream = Http2Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, mut sender) = client.send_request(call("/say"), false).expect("sent");
    let response = soon(response).await.expect("headers before the end");
    let mut body = response.into_body();
    for number in 0..100 {
        let message = Bytes::from(format!("message {number}"));
        send(&mut sender, message.clone()).await.expect("sent");
        let back = soon(body.data()).await.expect("a piece").expect("a piece");
        let _ = body.flow_control().release_capacity(back.len());
        assert_eq!(
            back, message,
            "a message comes back before the next is sent"
        );
    }
    sender.send_data(Bytes::new(), true).expect("ended");
    assert!(soon(body.data()).await.is_none(), "the end");
    let trailers = soon(body.trailers()).await.expect("trailers");
    assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
    let seen = upstream.last();
    assert_eq!(seen.headers["te"], "trailers", "a gRPC server requires it");
    assert_eq!(
        seen.uri.authority().map(|it| it.as_str()),
        Some("api.example.com")
    );
    assert_eq!(seen.uri.scheme_str(), Some("http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_up_to_a_window_flows_in_both_directions() {
    // For more, see docs/decisions/http2-backends.md.
    const SIZE: usize = 192 * 1024;
    let upstream = Http2Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, mut sender) = client.send_request(call("/say"), false).expect("sent");
    let upload = tokio::spawn(async move {
        let bytes = vec![b'x'; SIZE].into();
        send(&mut sender, bytes).await.expect("sent");
        sender.send_data(Bytes::new(), true).expect("ended");
    });
    let mut body = soon(response).await.expect("headers").into_body();
    let mut length = 0;
    while let Some(piece) = soon(body.data()).await {
        let piece = piece.expect("a piece");
        length += piece.len();
        let _ = body.flow_control().release_capacity(piece.len());
    }
    assert_eq!(length, SIZE);
    soon(upload).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_thread_share_a_connection_and_stalled_ones_do_not_block_others() {
    let upstream = Http2Upstream::start(Behaviour::Download).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        // Each on its own connection, whose window is 64 KiB.
        let mut client = client(&gateway).await;
        let (response, _) = client.send_request(call("/large"), true).expect("sent");
        stalled.push((client, soon(response).await.expect("headers")));
    }
    assert_eq!(upstream.connections(), THREADS, "40 successive requests");
    let answer = gateway.get("/small").await;
    assert_eq!(answer.status(), 200, "with 40 stalled responses");
    assert_eq!(upstream.connections(), THREADS);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_if_a_backend_closes_its_connections() {
    let upstream = Http2Upstream::start(Behaviour::EchoAndGoAway).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = gateway.connect().await;
    for number in 0..100 {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
        client.send(format!("{head}{number:04}")).await;
        let answer = client.answer(false).await;
        assert_eq!(answer.status(), 200, "{number}: {}", answer.head);
        assert_eq!(answer.text(), format!("{number:04}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_refused_unprocessed_is_retried_with_its_body() {
    let upstream = Http2Upstream::start(Behaviour::RefuseFirst).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let answer = gateway.ask(request).await;
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (200, "hello"),
        "{}",
        answer.head
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn request_refused_unprocessed_is_retried_after_the_client_got_100() {
    let upstream = Http2Upstream::start(Behaviour::RefuseFirst).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.status(), 100);
    client.send("hello").await;
    let answer = client.answer(false).await;
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (200, "hello"),
        "{}",
        answer.head
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_refused_unprocessed_count_as_attempts() {
    for (attempts, status) in [(0, 502), (1, 200)] {
        let upstream = Http2Upstream::start(Behaviour::RefuseFirst).await;
        let retry = RuleRetry {
            codes: Box::default(),
            attempts,
            backoff: Duration::from_millis(20),
        };
        let gateway = Gateway::start(port_of(Rule {
            retry: Some(Box::new(retry)),
            ..rule(upstream.action())
        }));
        let answer = gateway.await.get("/").await;
        assert_eq!(answer.status(), status, "{attempts} attempts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_client_reaches_an_http2_backend() {
    let upstream = Http2Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let chunks = "POST /a?b=c HTTP/1.1\r\nHost: www.example.com\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
                  Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let answer = gateway.ask(chunks).await;
    assert_eq!(answer.text(), "hello world");
    let seen = upstream.last();
    assert_eq!(seen.uri, "http://www.example.com/a?b=c");
    for name in ["host", "connection", "x-hop", "transfer-encoding"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http10_client_gets_no_chunks_from_an_http2_backend() {
    let upstream = Http2Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let request =
        "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello";
    let answer = gateway.ask(request).await;
    let coding = answer.header("transfer-encoding");
    assert_eq!(coding, [""; 0], "{}", answer.head);
    assert_eq!(answer.header("connection"), ["close"], "{}", answer.head);
    assert_eq!(answer.text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn path_is_rewritten_between_http2_and_http2() {
    let upstream = Http2Upstream::start(Behaviour::Echo).await;
    let rewrite = UrlRewrite {
        hostname: None,
        path: Some(PathModifier::full("/new")),
    };
    let filters = Filters::new(vec![Filter::UrlRewrite(rewrite)]);
    let gateway = Gateway::start(port_with(upstream.action(), filters)).await;
    let mut client = client(&gateway).await;
    let (response, _) = client.send_request(call("/old?q"), true).expect("sent");
    let response = soon(response).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(upstream.last().uri, "http://api.example.com/new?q");
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_host_is_forwarded_between_http2_and_http2() {
    let upstream = Http2Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, _) = client.send_request(call("/"), true).expect("sent");
    soon(response).await.expect("a response");
    assert_eq!(
        upstream.last().headers["x-forwarded-host"],
        "api.example.com"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_is_not_requested_of_an_http2_backend() {
    let upstream = Http2Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status(), 200, "{}", answer.head);
    assert!(!upstream.last().headers.contains_key("upgrade"));
}

#[tokio::test(flavor = "multi_thread")]
async fn request_is_cancelled_at_the_backend_if_the_client_resets_it() {
    let mut upstream = Http2Upstream::start(Behaviour::Silent).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, mut sender) = client.send_request(call("/wait"), false).expect("sent");
    send(&mut sender, "hello".into()).await.expect("sent");
    soon(async {
        while upstream.seen.lock().expect("no panic").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sender.send_reset(Reason::CANCEL);
    drop(response);
    assert_eq!(soon(upstream.resets.recv()).await, Some(Reason::CANCEL));
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_response_without_a_body_is_cut_off_at_the_time_limit() {
    let upstream = Http2Upstream::start(Behaviour::Endless).await;
    let timeouts = RuleTimeouts {
        request: TimeLimit::After(Duration::from_millis(300)),
        backend_request: TimeLimit::Unset,
    };
    let gateway = Gateway::start(port_of(Rule {
        timeouts,
        ..rule(upstream.action())
    }))
    .await;
    let mut client = client(&gateway).await;
    let (response, _) = client.send_request(call("/"), true).expect("sent");
    let mut body = soon(response).await.expect("a header").into_body();
    let end = soon(body.data())
        .await
        .expect("the stream ended gracefully");
    assert!(end.is_err(), "{end:?}");
}
