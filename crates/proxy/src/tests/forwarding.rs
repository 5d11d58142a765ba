use super::support::{Gateway, Upstream, nobody, port, port_with, to, to_target};
use crate::Options;
use gatefold_dataplane::backend::{Endpoints, HttpVersion, Target};
use gatefold_dataplane::filter::header_modifier::HeaderModifier;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_listen as listen;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_is_told_who_asked_and_for_what() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let answer = gateway
        .ask(
            "GET /a%2fb?c=%20d// HTTP/1.1\r\nHost: Example.com:80\r\nX-Forwarded-For: 192.0.2.1\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Request-Id: abc\r\n\
             Connection: keep-alive, X-Private\r\nX-Private: 1\r\nTE: trailers, gzip\r\n\
             Proxy-Authorization: x\r\nKeep-Alive: 1\r\n\r\n",
        )
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.head);
    let seen = upstream.last();
    assert!(
        seen.head.starts_with("GET /a%2fb?c=%20d// HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    for (name, values) in [
        ("host", vec!["Example.com:80"]),
        ("x-forwarded-for", vec!["192.0.2.1, 127.0.0.1"]),
        ("x-forwarded-proto", vec!["http"]),
        ("x-forwarded-host", vec!["Example.com:80"]),
        ("x-request-id", vec!["abc"]),
        ("te", vec!["trailers"]),
        ("x-private", vec![]),
        ("proxy-authorization", vec![]),
        ("keep-alive", vec![]),
    ] {
        assert_eq!(seen.header(name), values, "{name}: {}", seen.head);
    }
}

/// What the backend gets of this, without the identifier.
async fn head_at_the_backend(preserve_header_case: bool) -> String {
    let upstream = Upstream::plain().await;
    let options = Options {
        preserve_header_case,
        ..Options::default()
    };
    let filters = Filters::new(vec![Filter::RequestHeaderModifier(HeaderModifier {
        set: vec![(
            HeaderName::from_static("x-set"),
            HeaderValue::from_static("1"),
        )],
        ..HeaderModifier::default()
    })]);
    let port = port_with(to(&[upstream.address]), filters);
    let gateway = Gateway::of(port, options, listen::Options::default()).await;
    let request = "GET /a?B HTTP/1.1\r\nhOST: a\r\nX-mY: 1\r\nACCEPT: 2\r\nx-My: 3\r\nX-Gone: 4\r\n\
                   Connection: X-Gone\r\n\r\n";
    assert_eq!(gateway.ask(request).await.status(), 200);
    let seen = upstream.last().head;
    let lines = seen.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !line.is_empty() && !name.eq_ignore_ascii_case("x-request-id")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_fields_are_in_lower_case() {
    assert_eq!(
        head_at_the_backend(false).await,
        "GET /a?B HTTP/1.1\nHost: a\nx-my: 1\nx-my: 3\naccept: 2\nx-forwarded-for: 127.0.0.1\n\
         x-forwarded-proto: http\nx-forwarded-host: a\nx-set: 1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_fields_are_as_the_client_spells_them_if_that_is_asked_for() {
    assert_eq!(
        head_at_the_backend(true).await,
        "GET /a?B HTTP/1.1\nhOST: a\nX-mY: 1\nx-My: 3\nACCEPT: 2\nX-Forwarded-For: 127.0.0.1\n\
         X-Forwarded-Proto: http\nX-Forwarded-Host: a\nx-set: 1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_claims_of_its_way_is_overwritten_however_it_is_spelled() {
    for preserve_header_case in [false, true] {
        let upstream = Upstream::plain().await;
        let options = Options {
            preserve_header_case,
            ..Options::default()
        };
        let port = port(to(&[upstream.address]));
        let gateway = Gateway::of(port, options, listen::Options::default()).await;
        let forged = "X-Forwarded-PROTO: https\r\nx-forwarded-proto: https\r\nX-FORWARDED-HOST: evil\r\n\
                      x-forwarded-host: evil\r\nX-FORWARDED-FOR: 192.0.2.1\r\nX-REQUEST-ID: a b\r\n\
                      x-request-id: c\r\n";
        let host = "GET / HTTP/1.1\r\nHost: a\r\n";
        let nameless = "GET / HTTP/1.0\r\n";
        for (start, forwarded_host) in [(host, "a"), (nameless, "")] {
            let answer = gateway.ask(&format!("{start}{forged}\r\n")).await;
            assert_eq!(answer.status(), 200, "{}", answer.head);
            let seen = upstream.last();
            let said = |name: &str| seen.header(name);
            assert_eq!(said("x-forwarded-proto"), ["http"], "{}", seen.head);
            let host = said("x-forwarded-host").join(", ");
            assert_eq!(host, forwarded_host, "{}", seen.head);
            assert_eq!(said("x-forwarded-for"), ["192.0.2.1, 127.0.0.1"]);
            let [id] = said("x-request-id")[..] else {
                panic!("one identifier: {}", seen.head);
            };
            assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_change_fields_however_clients_spell_them() {
    let (set, gone, more) = ("x-set", "x-gone", "x-more");
    let header = |name| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static("ours"),
        )
    };
    for preserve_header_case in [false, true] {
        let upstream = Upstream::plain().await;
        let options = Options {
            preserve_header_case,
            ..Options::default()
        };
        let filters = Filters::new(vec![Filter::RequestHeaderModifier(HeaderModifier {
            set: vec![header(set)],
            add: vec![header(more)],
            remove: vec![HeaderName::from_static(gone)],
        })]);
        let port = port_with(to(&[upstream.address]), filters);
        let gateway = Gateway::of(port, options, listen::Options::default()).await;
        let request = "GET / HTTP/1.1\r\nHost: a\r\nX-SET: 1\r\nx-set: 2\r\nX-GONE: 1\r\nX-gone: 2\r\n\
                       X-MORE: 1\r\n\r\n";
        assert_eq!(gateway.ask(request).await.status(), 200);
        let seen = upstream.last();
        assert_eq!(seen.header(set), ["ours"], "{}", seen.head);
        assert_eq!(seen.header(gone), [""; 0], "{}", seen.head);
        assert_eq!(seen.header(more), ["1", "ours"], "{}", seen.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_a_filter_adds_joins_those_of_the_client() {
    let cookie = |value| HeaderModifier {
        add: vec![(HeaderName::from_static("cookie"), value)],
        ..HeaderModifier::default()
    };
    for preserve_header_case in [false, true] {
        let upstream = Upstream::plain().await;
        let options = Options {
            preserve_header_case,
            ..Options::default()
        };
        let endpoints = Endpoints::new(HttpVersion::Http1, &[upstream.address], 0);
        let target = Target::Endpoints(Arc::new(endpoints.expect("an address")));
        let adding = |value| {
            let modifier = cookie(HeaderValue::from_static(value));
            Filters::new(vec![Filter::RequestHeaderModifier(modifier)])
        };
        let port = port_with(to_target(target, adding("backend=2")), adding("added=1"));
        let gateway = Gateway::of(port, options, listen::Options::default()).await;
        for (sent, expected) in [
            ("", "added=1; backend=2"),
            ("COOKIE: a=b; c=d\r\n", "a=b; c=d; added=1; backend=2"),
            ("Cookie: a\r\ncookie: b\r\n", "a; b; added=1; backend=2"),
        ] {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{sent}\r\n");
            assert_eq!(gateway.ask(&request).await.status(), 200);
            let seen = upstream.last();
            assert_eq!(seen.header("cookie"), [expected], "{}", seen.head);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_identifier_gets_a_uuid() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    gateway.get("/").await;
    let first = upstream.last();
    gateway.get("/").await;
    let (first, second) = (first.header("x-request-id").join(""), upstream.last());
    assert!(uuid::Uuid::parse_str(&first).is_ok(), "{first}");
    assert_ne!(second.header("x-request-id"), [first.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_backend_are_kept() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer(false).await.text(), "ok");
    }
    assert_eq!(upstream.requests(), 10);
    assert_eq!(upstream.connections(), 1, "one would have done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_keeps_its_connection_and_may_pipeline() {
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
async fn large_bodies_pass_both_ways() {
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
            "the body came back changed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_response_arrives_whole_and_in_one_piece_for_http_1_0() {
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
async fn head_gets_the_length_but_no_body() {
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
async fn a_backend_that_wants_the_body_lets_the_client_continue() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a connection");
        let mut backend = super::support::Client::new(tcp);
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
async fn filters_of_the_rule_come_before_those_of_the_backend() {
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
    let endpoints = Endpoints::new(HttpVersion::Http1, &[upstream.address], 0);
    let endpoints = Arc::new(endpoints.expect("an address"));
    let action = to_target(Target::Endpoints(endpoints), filters("backend"));
    let gateway = Gateway::start(port_with(action, filters("rule"))).await;
    let answer = gateway.get("/").await;
    assert_eq!(upstream.last().header("x-by"), ["rule", "backend"]);
    assert_eq!(
        answer.header("x-by"),
        ["backend", "rule"],
        "on its way back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_is_passed_over_and_nothing_is_sent_twice() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[nobody().await, upstream.address]))).await;
    for sent in 1..=10 {
        let answer = gateway
            .ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            .await;
        assert_eq!(answer.status(), 200, "{}", answer.head);
        assert_eq!(upstream.requests(), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_body_is_never_sent_again() {
    // It takes the first request on each connection and closes at the second one, unanswered.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let (count, mut counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut backend = super::support::Client::new(tcp);
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
    assert_eq!(gateway.ask(put).await.status(), 200);
    assert_eq!(gateway.ask(put).await.status(), 502);
    assert_eq!(*counted.borrow_and_update(), 2, "the second was sent once");
    // Without a body it is, over a fresh connection.
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(*counted.borrow_and_update(), 5);
}
