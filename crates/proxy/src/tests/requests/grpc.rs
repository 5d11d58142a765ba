//! Answers of the proxy to gRPC requests.

use crate::Timeouts;
use crate::tests::support::http2_upstream::{Behaviour, Http2Upstream};
use crate::tests::support::{Gateway, port, port_of, refusing_address, rule, soon, to};
use bytes::Bytes;
use gatefold_dataplane::timeouts::{RuleTimeouts, TimeLimit};
use gatefold_dataplane::{Action, Rule};
use http::{HeaderMap, Request, StatusCode};
use std::time::Duration;
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_millis(300);

/// Sends a call whose request ends or stays open, and returns the header of the answer, which must end the stream.
pub(super) async fn answer_of(gateway: &Gateway, request_ends: bool) -> HeaderMap {
    let tcp = TcpStream::connect(gateway.address)
        .await
        .expect("a connection");
    let (mut client, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::post("http://api.example.com/a.B/Get")
        .header("content-type", "application/grpc")
        .body(())
        .expect("a request");
    let (response, mut sender) = client.send_request(request, false).expect("sent");
    let message = Bytes::from_static(&[0; 5]);
    // Fails if the answer is already complete.
    let _ = sender.send_data(message, request_ends);
    let response = soon(response).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert!(
        response.body().is_end_stream(),
        "the header doesn't end the stream: {response:?}"
    );
    response.headers().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_backend_is_deadline_exceeded() {
    let upstream = Http2Upstream::start(Behaviour::Silent).await;
    let limited = |request| {
        port_of(Rule {
            timeouts: RuleTimeouts {
                request,
                backend_request: TimeLimit::Unset,
            },
            ..rule(upstream.action())
        })
    };
    let short = Timeouts {
        upstream_read: LIMIT,
        ..Timeouts::default()
    };
    for (request, timeouts) in [
        (TimeLimit::Unset, short),
        (TimeLimit::After(LIMIT), Timeouts::default()),
    ] {
        let gateway = Gateway::with(limited(request), timeouts).await;
        for request_ends in [true, false] {
            let headers = answer_of(&gateway, request_ends).await;
            assert_eq!(headers["grpc-status"], "4", "{request:?} {request_ends}");
            assert_eq!(headers["content-type"], "application/grpc");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connection_and_refused_rule_are_unavailable() {
    let dead = port(to(&[refusing_address().await]));
    let refused = port(Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR));
    for port in [dead, refused] {
        let gateway = Gateway::start(port).await;
        for request_ends in [true, false] {
            let headers = answer_of(&gateway, request_ends).await;
            assert_eq!(headers["grpc-status"], "14", "{headers:?}");
            assert_ne!(headers["grpc-message"], "", "{headers:?}");
        }
    }
}
