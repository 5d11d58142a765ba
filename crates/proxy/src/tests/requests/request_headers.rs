//! The headers of forwarded requests.

use crate::Options;
use crate::tests::support::{Gateway, Upstream, port, port_with, to, to_target};
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::filter::header_modifier::HeaderModifier;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_listen as listen;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn backend_learns_client_address_scheme_and_host() {
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

/// Returns the header that a backend gets for a request with spelled names, without the request identifier.
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
    let gateway = Gateway::of(port, options, listen::ListenOptions::default()).await;
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
async fn header_names_are_forwarded_in_lower_case() {
    assert_eq!(
        head_at_the_backend(false).await,
        "GET /a?B HTTP/1.1\nHost: a\nx-my: 1\nx-my: 3\naccept: 2\nx-forwarded-for: 127.0.0.1\n\
         x-forwarded-proto: http\nx-forwarded-host: a\nx-set: 1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn header_names_are_forwarded_as_spelled_if_configured() {
    assert_eq!(
        head_at_the_backend(true).await,
        "GET /a?B HTTP/1.1\nhOST: a\nX-mY: 1\nx-My: 3\nACCEPT: 2\nX-Forwarded-For: 127.0.0.1\n\
         X-Forwarded-Proto: http\nX-Forwarded-Host: a\nx-set: 1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_headers_of_clients_are_overwritten_in_any_spelling() {
    for preserve_header_case in [false, true] {
        let upstream = Upstream::plain().await;
        let options = Options {
            preserve_header_case,
            ..Options::default()
        };
        let port = port(to(&[upstream.address]));
        let gateway = Gateway::of(port, options, listen::ListenOptions::default()).await;
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
async fn filters_change_headers_in_any_spelling() {
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
        let gateway = Gateway::of(port, options, listen::ListenOptions::default()).await;
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
async fn cookie_added_by_a_filter_joins_those_of_the_client() {
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
        let endpoints = EndpointSet::new(HttpVersion::Http1, &[upstream.address], 0);
        let target = BackendTarget::Endpoints(Arc::new(endpoints.expect("an address")));
        let adding = |value| {
            let modifier = cookie(HeaderValue::from_static(value));
            Filters::new(vec![Filter::RequestHeaderModifier(modifier)])
        };
        let port = port_with(to_target(target, adding("backend=2")), adding("added=1"));
        let gateway = Gateway::of(port, options, listen::ListenOptions::default()).await;
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
async fn request_without_an_identifier_gets_a_uuid() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    gateway.get("/").await;
    let first = upstream.last();
    gateway.get("/").await;
    let (first, second) = (first.header("x-request-id").join(""), upstream.last());
    assert!(uuid::Uuid::parse_str(&first).is_ok(), "{first}");
    assert_ne!(second.header("x-request-id"), [first.as_str()]);
}
