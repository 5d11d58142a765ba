//! The phases of filters, by way of a filter that waits.

use crate::filter::probe::{self, Probe};
use crate::tests::support::{Gateway, Upstream, port, port_of, port_with, rule, to, to_target};
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::filter::header_modifier::HeaderModifier;
use gatefold_dataplane::filter::request_redirect::RequestRedirect;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_dataplane::timeouts::{RuleTimeouts, TimeLimit};
use gatefold_dataplane::{Action, Rule};
use http::{HeaderName, HeaderValue, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn response_header(value: &'static str) -> Filter {
    Filter::ResponseHeaderModifier(HeaderModifier {
        add: vec![(
            HeaderName::from_static("x-order"),
            HeaderValue::from_static(value),
        )],
        ..HeaderModifier::default()
    })
}

/// Forwards to one endpoint, with filters of the backend.
fn to_with(address: SocketAddr, filters: Vec<Filter>) -> Action {
    let endpoints = EndpointSet::new(HttpVersion::Http1, &[address], 0).expect("an address");
    let target = BackendTarget::Endpoints(Arc::new(endpoints));
    to_target(target, Filters::new(filters))
}

#[tokio::test(flavor = "multi_thread")]
async fn request_waits_for_filters_of_rule_and_backend_and_is_forwarded() {
    let upstream = Upstream::plain().await;
    let waiting = || probe::filter(Probe::Continue);
    let of_rule = vec![waiting(), waiting(), response_header("rule")];
    let of_backend = vec![waiting(), response_header("backend")];
    let action = to_with(upstream.address, of_backend);
    let gateway = Gateway::start(port_with(action, Filters::new(of_rule))).await;
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            .await;
        let answer = client.answer(false).await;
        assert_eq!(answer.text(), "ok", "{}", answer.head);
        assert_eq!(answer.header("x-order"), ["backend", "rule"]);
        assert_eq!(upstream.last().text(), "abc");
    }
    assert_eq!(upstream.requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_answers_a_request_after_waiting_and_no_backend_gets_it() {
    let upstream = Upstream::plain().await;
    let answering = || vec![probe::filter(Probe::AnswerRequest)];
    for port in [
        port_with(to(&[upstream.address]), Filters::new(answering())),
        port(to_with(upstream.address, answering())),
    ] {
        let gateway = Gateway::start(port).await;
        let mut client = gateway.connect().await;
        for _ in 0..2 {
            client
                .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
                .await;
            let answer = client.answer(false).await;
            assert_eq!(answer.status(), 403);
            assert_eq!(answer.header("x-answered"), ["yes"]);
            assert_eq!(answer.text(), "answered the request");
        }
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_answers_instead_of_a_response_after_waiting() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nok").await;
    let filters = vec![
        probe::filter(Probe::AnswerResponse),
        response_header("after"),
    ];
    let gateway = Gateway::start(port_with(to(&[upstream.address]), Filters::new(filters))).await;
    for _ in 0..2 {
        let answer = gateway.get("/").await;
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.header("x-answered"), ["yes"]);
        assert_eq!(answer.header("x-secret"), [""; 0], "{}", answer.head);
        assert_eq!(answer.header("x-order"), [""; 0], "no further filter runs");
        assert_eq!(answer.text(), "answered the response");
    }
    assert_eq!(upstream.requests(), 2, "the request is not retried");
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_that_waits_too_long_is_504_at_the_time_limit_of_the_rule() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port_of(Rule {
        filters: Filters::new(vec![probe::filter(Probe::Hang)]),
        timeouts: RuleTimeouts {
            request: TimeLimit::After(Duration::from_millis(100)),
            backend_request: TimeLimit::Unset,
        },
        ..rule(to(&[upstream.address]))
    }))
    .await;
    assert_eq!(gateway.get("/").await.status(), 504);
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn response_filters_run_for_a_redirect_and_may_wait() {
    let redirect = RequestRedirect {
        status: StatusCode::FOUND,
        scheme: None,
        hostname: Some("b.example".into()),
        port: None,
        path: None,
    };
    let filters = Filters::new(vec![
        Filter::RequestRedirect(Box::new(redirect)),
        probe::filter(Probe::Continue),
        response_header("rule"),
    ]);
    let gateway = Gateway::start(port_with(Action::AnsweredByFilters, filters)).await;
    let answer = gateway.get("/x").await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.header("location"), ["http://b.example/x"]);
    assert_eq!(answer.header("x-order"), ["rule"], "{}", answer.head);
}
