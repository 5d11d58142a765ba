//! Bodies of requests that are not forwarded.

use crate::tests::support::{Gateway, port, refusing_address, soon, to, to_target};
use gatefold_dataplane::Action;
use gatefold_dataplane::backend::BackendTarget;
use gatefold_dataplane::filter::Filters;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn refusing() -> Action {
    Action::Refuse(StatusCode::FORBIDDEN)
}

#[tokio::test(flavor = "multi_thread")]
async fn own_answers_to_small_bodies_keep_the_connection() {
    let gateway = Gateway::start(port(refusing())).await;
    let mut client = gateway.connect().await;
    let small = "x".repeat(60_000);
    for body in [
        format!("Content-Length: 60000\r\n\r\n{small}"),
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned(),
        "Content-Length: 0\r\n\r\n".to_owned(),
        "\r\n".to_owned(),
    ] {
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"))
            .await;
        let answer = client.answer(false).await;
        assert_eq!(answer.status(), 403, "{}", answer.head);
        assert_eq!(answer.header("connection"), ["keep-alive"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_body_after_its_answer_is_not_read_as_a_request() {
    let gateway = Gateway::start(port(refusing())).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.status(), 403);
    client
        .send("GET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let answer = client.answer(true).await;
    assert_eq!(answer.status(), 403);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_answer_to_a_large_body_arrives_and_closes_the_connection() {
    let gateway = Gateway::start(port(refusing())).await;
    for framing in ["Content-Length: 8388608", "Transfer-Encoding: chunked"] {
        let mut client = gateway.connect().await;
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"))
            .await;
        if framing.starts_with('T') {
            client.send("800000\r\n").await;
        }
        // All of it is read, although the answer was sent long before.
        soon(client.stream.write_all(&vec![b'x'; 8 << 20]))
            .await
            .expect("no reset");
        let answer = client.answer(false).await;
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.header("connection"), ["close"]);
        assert!(client.ended().await, "the gateway's side ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_waits_for_100_gets_the_answer_and_is_closed() {
    let gateway = Gateway::start(port(refusing())).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let answer = client.answer(false).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.header("connection"), ["close"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_for_a_failed_backend_arrives_while_the_client_still_sends() {
    let gateway = Gateway::start(port(to(&[refusing_address().await]))).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n")
        .await;
    soon(client.stream.write_all(&vec![b'x'; 8 << 20]))
        .await
        .expect("no reset");
    assert_eq!(client.answer(false).await.status(), 502);
    assert_eq!(
        soon(client.stream.read(&mut [0])).await.expect("no reset"),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_is_kept_if_a_service_has_no_endpoints() {
    let gateway = Gateway::start(port(to_target(
        BackendTarget::NoEndpoints,
        Filters::default(),
    )))
    .await;
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
            .await;
        assert_eq!(client.answer(false).await.status(), 503);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_body_gets_one_answer() {
    for status in [StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR] {
        let gateway = Gateway::start(port(Action::Refuse(status))).await;
        for body in ["x\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\r\n0\n\r\n"] {
            for pause in [false, true] {
                let mut client = gateway.connect().await;
                let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
                if pause {
                    client.send(head).await;
                    assert_eq!(client.answer(false).await.status(), status.as_u16());
                    client.send(body).await;
                } else {
                    client.send(format!("{head}{body}")).await;
                    assert_eq!(client.answer(false).await.status(), status.as_u16());
                }
                assert!(client.ended().await, "{body:?}: {:?}", client.rest());
            }
        }
    }
}
