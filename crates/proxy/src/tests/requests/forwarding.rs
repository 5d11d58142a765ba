//! What a backend receives of a request, and the client of its response.

use crate::tests::support::{Gateway, Upstream, port, port_with, refusing_address, to, to_target};
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::filter::header_modifier::HeaderModifier;
use gatefold_dataplane::filter::{Filter, Filters};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_backend_are_reused() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer(false).await.text(), "ok");
    }
    assert_eq!(upstream.requests(), 10);
    assert_eq!(upstream.connections(), 1, "one connection is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_connection_is_kept_and_may_be_pipelined() {
    let upstream = Upstream::start(|request| {
        let path = request.head.split(' ').nth(1).unwrap_or_default();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
            path.len()
        )
        .into()
    })
    .await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    let all: String = (0..5)
        .map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.send(all).await;
    for number in 0..5 {
        assert_eq!(client.answer(false).await.text(), format!("/{number}"));
    }
    client
        .send("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.header("connection"), ["close"]);
    assert!(client.ended().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_forwarded_both_ways() {
    const SIZE: usize = 5 << 20;
    let upstream = Upstream::start(|request| {
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        )
        .into_bytes();
        response.extend_from_slice(&request.body);
        response
    })
    .await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let body: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let mut known =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes();
    known.extend_from_slice(&body);
    let mut chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(70_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for request in [known, chunked] {
        let mut client = gateway.connect().await;
        client.send(request).await;
        assert!(
            client.answer(false).await.body == body,
            "the body was changed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_response_arrives_complete_and_without_chunks_for_http10() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n\
         3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    .await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.text(), "abcde");
    assert_eq!(answer.header("x-hop"), [""; 0], "{}", answer.head);
    let answer = gateway.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        answer.header("transfer-encoding"),
        [""; 0],
        "{}",
        answer.head
    );
    assert_eq!(answer.text(), "abcde");
}

#[tokio::test(flavor = "multi_thread")]
async fn response_to_head_has_a_length_but_no_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer(true).await;
        assert_eq!(answer.header("content-length"), ["1000"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_sends_100_continue_to_the_client() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a connection");
        let mut backend = crate::tests::support::Client::new(tcp);
        let head = backend.message(true, false).await.expect("a request");
        assert_eq!(head.header("expect"), ["100-continue"]);
        backend.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(backend.bytes(4).await, b"body");
        backend
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        std::future::pending::<()>().await;
    });
    let gateway = Gateway::start(port(to(&[address]))).await;
    let mut client = gateway.connect().await;
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.status(), 100);
    client.send("body").await;
    assert_eq!(client.answer(false).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_filters_of_the_rule_run_before_those_of_the_backend() {
    let adds = |value| HeaderModifier {
        add: vec![(
            HeaderName::from_static("x-by"),
            HeaderValue::from_static(value),
        )],
        ..HeaderModifier::default()
    };
    let filters = |value| {
        Filters::new(vec![
            Filter::RequestHeaderModifier(adds(value)),
            Filter::ResponseHeaderModifier(adds(value)),
        ])
    };
    let upstream = Upstream::plain().await;
    let endpoints = EndpointSet::new(HttpVersion::Http1, &[upstream.address], 0);
    let endpoints = Arc::new(endpoints.expect("an address"));
    let action = to_target(BackendTarget::Endpoints(endpoints), filters("backend"));
    let gateway = Gateway::start(port_with(action, filters("rule"))).await;
    let answer = gateway.get("/").await;
    assert_eq!(upstream.last().header("x-by"), ["rule", "backend"]);
    assert_eq!(
        answer.header("x-by"),
        ["backend", "rule"],
        "in reverse order for the response"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusing_endpoint_is_skipped_and_nothing_is_sent_twice() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[refusing_address().await, upstream.address]))).await;
    for sent in 1..=10 {
        let answer = gateway
            .ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            .await;
        assert_eq!(answer.status(), 200, "{}", answer.head);
        assert_eq!(upstream.requests(), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_with_a_body_is_never_sent_twice() {
    // It responds to the first request of each connection, and closes it at the second.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let (count, mut counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut backend = crate::tests::support::Client::new(tcp);
            if backend.message(false, false).await.is_some() {
                count.send_modify(|count| *count += 1);
                backend
                    .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
            }
            if backend.message(false, false).await.is_some() {
                count.send_modify(|count| *count += 1);
            }
        }
    });
    let gateway = Gateway::start(port(to(&[address]))).await;
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    // On one connection: the second request begins when the endpoint's connection is back in the pool.
    let mut client = gateway.connect().await;
    for status in [200, 502] {
        client.send(put).await;
        assert_eq!(client.answer(false).await.status(), status);
    }
    assert_eq!(
        *counted.borrow_and_update(),
        2,
        "the second request was sent once"
    );
    // A request without a body is retried over a new connection.
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(*counted.borrow_and_update(), 5);
}
