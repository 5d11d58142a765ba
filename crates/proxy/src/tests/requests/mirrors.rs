//! Mirrors.

use crate::counters::Mirrored;
use crate::tests::support::{
    Answered, Gateway, Upstream, port_of, port_with, refusing_address, rule, soon, to, to_target,
};
use crate::{Counters, Timeouts};
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::filter::header_modifier::HeaderModifier;
use gatefold_dataplane::filter::path_modifier::PathModifier;
use gatefold_dataplane::filter::request_mirror::{RequestMirror, Share};
use gatefold_dataplane::filter::url_rewrite::UrlRewrite;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_dataplane::{Port, Rule};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

fn mirror(address: SocketAddr) -> RequestMirror {
    let endpoints = EndpointSet::new(HttpVersion::Http1, &[address], 0).expect("an address");
    RequestMirror {
        name: "default/mirror:80".into(),
        target: BackendTarget::Endpoints(Arc::new(endpoints)),
        share: Share::new(100, 100, 0),
    }
}

fn mirrored(backend: SocketAddr, mirrors: Vec<RequestMirror>) -> Port {
    let name = HeaderName::from_static("x-changed");
    let modifier = HeaderModifier {
        set: vec![(name, HeaderValue::from_static("yes"))],
        ..HeaderModifier::default()
    };
    port_of(Rule {
        filters: Filters::new(
            std::iter::once(Filter::RequestHeaderModifier(modifier))
                .chain(mirrors.into_iter().map(Filter::RequestMirror))
                .collect(),
        ),
        ..rule(to(&[backend]))
    })
}

/// Waits until a copy has this outcome.
async fn outcome(counters: &Counters, outcome: Mirrored) {
    soon(async {
        while counters.mirrored_so_far(outcome) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn until(mut done: impl FnMut() -> bool) {
    soon(async {
        while !done() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mirror_gets_the_request_of_the_backend() {
    let backend = Upstream::plain().await;
    let mirrors = [
        Upstream::plain().await,
        Upstream::answering("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await,
    ];
    let both = mirrors.iter().map(|it| mirror(it.address)).collect();
    let gateway = Gateway::start(mirrored(backend.address, both)).await;
    for (head, body) in [
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let before = mirrors[0].requests();
        let request = format!("POST /a?b=%20c HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{body}");
        let answer = gateway.ask(&request).await;
        assert_eq!((answer.status(), answer.text()), (200, "ok".to_owned()));
        for mirror in &mirrors {
            until(|| mirror.requests() > before).await;
            let (seen, copy) = (backend.last(), mirror.last());
            assert_eq!(copy.text(), "hello", "{}", copy.head);
            let sorted = |head: &str| {
                let mut lines: Vec<String> = head.lines().map(str::to_ascii_lowercase).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&copy.head), sorted(&seen.head));
            assert_eq!(copy.header("x-changed"), ["yes"]);
        }
    }
}

/// Returns filters that change the target and some headers of a request, and copy it to a mirror.
fn rewriting(name: &'static str, path: &str, copies: Option<RequestMirror>) -> Filters {
    let authorization = HeaderModifier {
        set: vec![(AUTHORIZATION, HeaderValue::from_static(name))],
        add: vec![(COOKIE, HeaderValue::from_static(name))],
        remove: vec![HeaderName::from_static("x-remove")],
    };
    let rewrite = UrlRewrite {
        hostname: Some(HeaderValue::from_static(name)),
        path: Some(PathModifier::full(path)),
    };
    let changes = [
        Filter::RequestHeaderModifier(authorization),
        Filter::UrlRewrite(rewrite),
    ];
    let copies = copies.map(Filter::RequestMirror);
    Filters::new(changes.into_iter().chain(copies).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_of_the_rule_gets_no_changes_of_the_backend_filters() {
    let (backend, copies) = (Upstream::plain().await, Upstream::plain().await);
    let own = rewriting("backend", "/backend", None);
    let endpoints = EndpointSet::new(HttpVersion::Http1, &[backend.address], 0);
    let target = BackendTarget::Endpoints(Arc::new(endpoints.expect("an address")));
    let of_rule = Filters::new(vec![Filter::RequestMirror(mirror(copies.address))]);
    let gateway = Gateway::start(port_with(to_target(target, own), of_rule)).await;
    let request = "POST /asked?q HTTP/1.1\r\nHost: asked\r\nAuthorization: asked\r\nX-Remove: 1\r\n\
                   Content-Length: 2\r\n\r\nhi";
    assert_eq!(gateway.ask(request).await.status(), 200);
    until(|| copies.requests() == 1).await;
    let (seen, copy) = (backend.last(), copies.last());
    assert_eq!(
        target_and_fields(&seen),
        ["/backend?q", "backend", "backend", "backend", ""]
    );
    assert_eq!(
        target_and_fields(&copy),
        ["/asked?q", "asked", "asked", "", "1"]
    );
    assert_eq!(copy.text(), "hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mirror_gets_the_request_after_the_filters_of_its_owner() {
    let backend = Upstream::plain().await;
    let (of_rule, of_backend) = (Upstream::plain().await, Upstream::plain().await);
    let own = rewriting("backend", "/backend", Some(mirror(of_backend.address)));
    // The first endpoint refuses connections. The copies still start only once.
    let addresses = [refusing_address().await, backend.address];
    let endpoints = EndpointSet::new(HttpVersion::Http1, &addresses, 0);
    let target = BackendTarget::Endpoints(Arc::new(endpoints.expect("an address")));
    let rule = rewriting("rule", "/rule", Some(mirror(of_rule.address)));
    let gateway = Gateway::start(port_with(to_target(target, own), rule)).await;
    for number in 1..=4 {
        assert_eq!(gateway.get("/asked?q").await.status(), 200);
        until(|| of_rule.requests() == number && of_backend.requests() == number).await;
        let by_rule = ["/rule?q", "rule", "rule", "rule", ""];
        let by_both = ["/backend?q", "backend", "backend", "rule; backend", ""];
        assert_eq!(target_and_fields(&of_rule.last()), by_rule);
        assert_eq!(target_and_fields(&of_backend.last()), by_both);
        assert_eq!(target_and_fields(&backend.last()), by_both);
    }
}

/// Returns the target, and the values of `Host`, `Authorization`, `Cookie` and `X-Remove`.
fn target_and_fields(request: &Answered) -> [String; 5] {
    let target = request.head.split(' ').nth(1).unwrap_or_default();
    let value = |name| request.header(name).join(", ");
    let fields = ["host", "authorization", "cookie", "x-remove"].map(value);
    let [host, authorization, cookie, removed] = fields;
    [target.to_owned(), host, authorization, cookie, removed]
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_mirrors_are_reused() {
    let (backend, copies) = (Upstream::plain().await, Upstream::plain().await);
    let port = mirrored(backend.address, vec![mirror(copies.address)]);
    let counters = Counters::default();
    let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
    for number in 1..=5 {
        assert_eq!(gateway.get("/").await.status(), 200);
        until(|| counters.mirrored_so_far(Mirrored::Answered) == number).await;
    }
    assert!(copies.connections() < 5, "no connection was reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_or_silent_mirror_does_not_affect_the_request() {
    let backend = Upstream::plain().await;
    // The kernel accepts the connection and the request. Nothing responds.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = silent.local_addr().map(|address| (silent, address));
    let (_open, silent) = silent.expect("its address");
    let counters = Counters::default();
    let timeouts = Timeouts {
        upstream_read: Duration::from_secs(2),
        ..Timeouts::default()
    };
    let both = vec![mirror(refusing_address().await), mirror(silent)];
    let port = mirrored(backend.address, both);
    let gateway = Gateway::counting(port, timeouts, counters.clone()).await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/").await.status(), 200);
    }
    assert_eq!(backend.requests(), 20, "a request was repeated");
    outcome(&counters, Mirrored::Failed).await;
    outcome(&counters, Mirrored::TimedOut).await;
    until(|| counters.mirrored_so_far(Mirrored::Failed) == 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_that_is_too_slow_for_a_large_body_is_aborted() {
    let backend = Upstream::plain().await;
    let stuck = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = stuck.local_addr().expect("its address");
    let counters = Counters::default();
    let port = mirrored(backend.address, vec![mirror(address)]);
    let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
    // More than the sockets and the backlog hold together.
    let length = 32 * 1024 * 1024;
    let mut client = gateway.connect().await;
    client
        .send(format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..32 {
        soon(client.send(&piece)).await;
    }
    assert_eq!(client.answer(false).await.status(), 200);
    assert_eq!(
        backend.last().body.len(),
        length,
        "the backend's body is incomplete"
    );
    // The copy may still be in a write. The closed connection ends it.
    drop(stuck);
    outcome(&counters, Mirrored::TooSlow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_aborted_by_the_client_is_not_completed_at_the_mirror() {
    let (backend, copies) = (Upstream::plain().await, Upstream::plain().await);
    let counters = Counters::default();
    let port = mirrored(backend.address, vec![mirror(copies.address)]);
    let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
    let mut client = gateway.connect().await;
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    until(|| copies.connections() == 1).await;
    drop(client);
    outcome(&counters, Mirrored::Aborted).await;
    assert_eq!(copies.requests(), 0, "the body looked complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn number_of_copies_in_flight_is_bounded() {
    let backend = Upstream::plain().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("its address");
    let counters = Counters::default();
    let port = mirrored(backend.address, vec![mirror(address)]);
    let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
    let mut client = gateway.connect().await;
    for _ in 0..300 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer(false).await.status(), 200);
    }
    assert_eq!(counters.mirrored_so_far(Mirrored::TooMany), 300 - 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_mirror_leaves_room_for_others() {
    let (backend, copies) = (Upstream::plain().await, Upstream::plain().await);
    let stuck = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = RequestMirror {
        name: "default/silent:80".into(),
        ..mirror(stuck.local_addr().expect("its address"))
    };
    let counters = Counters::default();
    let port = mirrored(backend.address, vec![silent, mirror(copies.address)]);
    let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
    let mut client = gateway.connect().await;
    for number in 1..=300 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer(false).await.status(), 200);
        until(|| counters.mirrored_so_far(Mirrored::Answered) == number).await;
    }
    assert_eq!(copies.requests(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_without_endpoints_is_counted_and_the_request_is_forwarded() {
    let backend = Upstream::plain().await;
    let counters = Counters::default();
    let none = RequestMirror {
        target: BackendTarget::NoEndpoints,
        ..mirror(backend.address)
    };
    let port = mirrored(backend.address, vec![none]);
    let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(counters.mirrored_so_far(Mirrored::NoEndpoint), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_connection_is_closed_when_idle_after_a_failure() {
    let backend = Upstream::plain().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let served = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(tcp).await.expect("HTTP/2");
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
        }
    });
    let endpoints = EndpointSet::new(HttpVersion::Http2, &[address], 0).expect("an address");
    let failing = RequestMirror {
        target: BackendTarget::Endpoints(Arc::new(endpoints)),
        ..mirror(address)
    };
    let timeouts = Timeouts {
        upstream_idle: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let counters = Counters::default();
    let port = mirrored(backend.address, vec![failing]);
    let gateway = Gateway::counting(port, timeouts, counters.clone()).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    outcome(&counters, Mirrored::Failed).await;
    soon(served)
        .await
        .expect("the connection is closed when idle");
}
