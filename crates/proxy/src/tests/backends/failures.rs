//! Requests that are not forwarded, and backends that fail.

use crate::Timeouts;
use crate::tests::support::{
    Gateway, Upstream, listener, port, refusing_address, soon, to, to_target,
};
use gatefold_dataplane::backend::BackendTarget;
use gatefold_dataplane::filter::Filters;
use gatefold_dataplane::hostname::HostMap;
use gatefold_dataplane::routing::Routers;
use gatefold_dataplane::{Action, Listener, Port};
use gatefold_listen::{Deadlines, ListenOptions};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

#[tokio::test(flavor = "multi_thread")]
async fn unmatched_request_is_404_and_the_connection_is_kept() {
    let mut listeners = HostMap::default();
    let routers = Routers::default();
    let listener = Listener {
        name: "default/gateway/http".into(),
        port: 80,
        only_clients_of: None,
        identity: None,
        access_logs: None,
        client_traffic: None,
        routers,
    };
    listeners.insert(Some("example.com"), Arc::new(listener));
    let gateway = Gateway::start(Port::Http(listeners)).await;
    let mut client = gateway.connect().await;
    for host in ["example.com", "other.example"] {
        client
            .send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = client.answer(false).await;
        assert_eq!(answer.status(), 404, "{host}");
        assert_eq!(answer.header("server"), ["gatefold"]);
        assert!(answer.text().contains("no route"), "{}", answer.text());
    }
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer(true).await.status(), 404);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        client.answer(false).await.status(),
        404,
        "a response to HEAD had a body"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_explains_why_a_request_is_not_forwarded() {
    let none = Filters::default;
    for (action, status) in [
        (Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR), 500),
        (to_target(BackendTarget::Invalid, none()), 500),
        (to_target(BackendTarget::NoEndpoints, none()), 503),
        (to(&[refusing_address().await]), 502),
    ] {
        let gateway = Gateway::start(port(action)).await;
        let answer = gateway.get("/").await;
        assert_eq!(answer.status(), status, "{}", answer.head);
        assert!(!answer.body.is_empty(), "{}", answer.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_response_is_502() {
    for response in [
        "hello\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ] {
        let upstream = Upstream::answering(response).await;
        let gateway = Gateway::start(port(to(&[upstream.address]))).await;
        assert_eq!(gateway.get("/").await.status(), 502, "{response:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_backend_is_504() {
    // The kernel accepts the connection and the request. Nothing responds.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let timeouts = Timeouts {
        upstream_read: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let address = silent.local_addr().expect("its address");
    let gateway = Gateway::with(port(to(&[address])), timeouts).await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.status(), 504);
    assert!(answer.text().contains("too long"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_requests_never_reach_a_backend() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ] {
        let mut client = gateway.connect().await;
        client.send(request).await;
        let answer = client.answer(false).await;
        assert_eq!(answer.status(), status, "{request:?}: {}", answer.head);
        if status != 404 {
            assert!(
                client.ended().await,
                "{request:?} leaves the connection open"
            );
        }
    }
    assert_eq!(upstream.requests(), 0, "{:?}", upstream.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn absolute_target_is_forwarded_as_its_path() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let answer = gateway
        .ask("GET http://a:80/b?c HTTP/1.1\r\nHost: a:80\r\n\r\n")
        .await;
    assert_eq!(answer.status(), 200);
    assert!(
        upstream.last().head.starts_with("GET /b?c HTTP/1.1\r\n"),
        "{:?}",
        upstream.last()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn header_of_more_than_64_kib_is_431() {
    let gateway = Gateway::start(port(to(&[refusing_address().await]))).await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(65 << 10)
    );
    assert_eq!(gateway.ask(&request).await.status(), 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_is_released_if_the_client_disconnects() {
    let backend = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = backend.local_addr().expect("its address");
    // The client looks as if it had only closed its sending side.
    let deadlines = Deadlines {
        half_closed: Duration::from_millis(200),
        ..Deadlines::default()
    };
    let connections = ListenOptions {
        deadlines,
        ..ListenOptions::default()
    };
    let port = port(to(&[address]));
    let gateway = Gateway::taking(port, Timeouts::default(), connections).await;
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut taken, _) = soon(backend.accept()).await.expect("the request");
    let mut request = [0; 4096];
    assert!(soon(taken.read(&mut request)).await.expect("a request") > 0);
    drop(client);
    assert_eq!(soon(taken.read(&mut request)).await.expect("its end"), 0);
    gateway.all_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_with_the_most_specific_hostname_gets_a_request() {
    let (special, any) = (Upstream::plain().await, Upstream::plain().await);
    let mut listeners = HostMap::default();
    listeners.insert(
        Some("*.example.com"),
        listener(to(&[special.address]), Filters::default()),
    );
    listeners.insert(None, listener(to(&[any.address]), Filters::default()));
    let gateway = Gateway::start(Port::Http(listeners)).await;
    for host in ["a.example.com", "A.EXAMPLE.com.:8080", "example.com"] {
        gateway
            .ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
    }
    assert_eq!((special.requests(), any.requests()), (2, 1));
    // HTTP/1.0 may omit `Host`. The host of an absolute target still counts.
    let answer = gateway.ask("GET http://a.example.com/b HTTP/1.0\r\n\r\n");
    assert_eq!(answer.await.status(), 200);
    assert_eq!((special.requests(), any.requests()), (3, 1));
    assert_eq!(special.last().header("host"), ["a.example.com"]);
}
