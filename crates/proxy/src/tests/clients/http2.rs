//! HTTP/2 clients without TLS.

use crate::tests::support::{Gateway, Upstream, curl, port, to};

#[tokio::test(flavor = "multi_thread")]
async fn plain_port_speaks_http2_with_prior_knowledge() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let url = format!("http://{}/a", gateway.address);
    let printed = curl(
        &[
            "--http2-prior-knowledge",
            "-H",
            "Cookie: a=1",
            "-H",
            "Cookie: b=2",
            "-H",
            "Host: www.example.com",
            "-w",
            " %{http_version}",
            &url,
        ],
        b"",
    )
    .await;
    assert_eq!(printed, "ok 2");
    let seen = upstream.last();
    assert_eq!(seen.header("cookie"), ["a=1; b=2"]);
    assert_eq!(seen.header("host"), ["www.example.com"]);
    assert_eq!(seen.header("x-forwarded-host"), ["www.example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_of_unknown_length_over_http2_ends_once() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let url = format!("http://{}/a", gateway.address);
    // The next request may start before the connection is back in the pool, but not every time.
    for _ in 0..8 {
        let arguments = ["--http2-prior-knowledge", "-T", "-", "-H", "Expect:", &url];
        assert_eq!(curl(&arguments, b"abc").await, "ok");
        assert_eq!(upstream.last().text(), "abc");
    }
    // A second end of the body would look like a malformed request to the backend.
    assert_eq!(upstream.requests(), 8);
    assert!(upstream.connections() < 8, "no connection was reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn preface_in_pieces_is_recognised_and_similar_requests_are_http1() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = gateway.connect().await;
    for piece in ["PRI * HT", "TP/2.0\r\n\r\nSM", "\r\n\r\n"] {
        client.send(piece).await;
        tokio::task::yield_now().await;
    }
    // An empty SETTINGS frame. The server's comes first.
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    assert_eq!(client.bytes(9).await.get(3), Some(&4), "a SETTINGS frame");
    let answer = gateway.ask("PRI /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status(), 200, "{}", answer.head);
    assert!(
        upstream.last().head.starts_with("PRI /a "),
        "{:?}",
        upstream.last()
    );
}
