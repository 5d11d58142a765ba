//! The framing and the informational responses of backends.

use crate::tests::support::{Gateway, Upstream, curl, port, soon, to, to_target};
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::filter::Filters;
use http::Response;
use std::sync::Arc;
use tokio::net::TcpListener;

const EARLY_HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 0\r\n\r\n\
    HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn equal_lengths_become_one_for_every_client() {
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2, 2",
        "Content-Length: 2 ,2\r\nContent-Length: 2",
    ] {
        let upstream = Upstream::answering(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nok")).await;
        let gateway = Gateway::start(port(to(&[upstream.address]))).await;
        let answer = gateway.get("/").await;
        assert_eq!(answer.header("content-length"), ["2"], "{lengths}");
        assert_eq!(answer.text(), "ok");
        let url = format!("http://{}/", gateway.address);
        let arguments = ["--http2-prior-knowledge", "-D", "-", &url];
        let printed = curl(&arguments, b"").await;
        assert!(printed.contains("content-length: 2\r\n"), "{printed}");
        assert!(printed.ends_with("\r\n\r\nok"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_lengths_are_502() {
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
        "Content-Length: +2",
        "Content-Length: -2",
        "Content-Length: 2x",
        "Content-Length:",
        "Transfer-Encoding: gzip",
    ] {
        let upstream = Upstream::answering(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nok")).await;
        let gateway = Gateway::start(port(to(&[upstream.address]))).await;
        assert_eq!(gateway.get("/").await.status(), 502, "{lengths}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_without_content_have_no_length() {
    for (length, status) in [
        ("Content-Length: 0", 204),
        ("Transfer-Encoding: chunked", 204),
    ] {
        let head = format!("HTTP/1.1 {status} None\r\n{length}\r\nX: y\r\n\r\n");
        let upstream = Upstream::answering(head).await;
        let gateway = Gateway::start(port(to(&[upstream.address]))).await;
        let answer = gateway.get("/").await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.header("content-length"), [""; 0]);
        assert_eq!(answer.header("transfer-encoding"), [""; 0]);
        assert_eq!(answer.header("x"), ["y"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn response_304_and_response_to_head_keep_their_length() {
    let not_modified = "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n";
    let upstream = Upstream::answering(not_modified).await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer(true).await.header("content-length"), ["9"]);
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let answer = gateway.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.header("content-length"), ["9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn date_of_a_backend_is_kept_for_http1_clients() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for field in ["Date", "date"] {
        let head = format!("HTTP/1.1 200 OK\r\n{field}: {date}\r\nContent-Length: 2\r\n\r\nok");
        let upstream = Upstream::answering(head).await;
        let gateway = Gateway::start(port(to(&[upstream.address]))).await;
        let mut client = gateway.connect().await;
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let answer = client.answer(false).await;
            assert_eq!(answer.header("date"), [date]);
            assert_eq!(answer.text(), "ok");
        }
    }
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    assert_ne!(gateway.get("/").await.header("date"), [date]);
    let upstream = Upstream::answering("HTTP/1.1 204 None\r\nDate: yesterday\r\n\r\n").await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    assert_eq!(
        gateway.get("/").await.header("date").len(),
        1,
        "an invalid date is replaced"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn informational_responses_reach_http11_clients_only() {
    let upstream = Upstream::answering(EARLY_HINTS).await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let early = client.answer(false).await;
    assert_eq!(early.status(), 103);
    assert_eq!(early.header("link"), ["</a>"]);
    assert_eq!(early.header("content-length"), [""; 0]);
    assert_eq!(client.answer(false).await.text(), "ok");
    let old = gateway.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        (old.status(), old.text().as_str()),
        (200, "ok"),
        "{}",
        old.head
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http11_client_gets_100_though_its_backend_speaks_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let backend = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(tcp).await.expect("HTTP/2");
        let (request, mut respond) = connection.accept().await.expect("one").expect("a request");
        assert!(
            !request.headers().contains_key("expect"),
            "the backend's 100 would be lost"
        );
        let mut body = request.into_body();
        tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let piece = body.data().await.expect("a body").expect("data");
        let mut sender = respond
            .send_response(Response::new(()), false)
            .expect("sent");
        sender.send_data(piece, true).expect("sent");
    });
    let endpoints = EndpointSet::new(HttpVersion::Http2, &[address], 0).expect("an address");
    let action = to_target(
        BackendTarget::Endpoints(Arc::new(endpoints)),
        Filters::default(),
    );
    let gateway = Gateway::start(port(action)).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.status(), 100);
    client.send("abc").await;
    assert_eq!(client.answer(false).await.text(), "abc");
    soon(backend).await.expect("no panic");
}
