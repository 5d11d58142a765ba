//! What is passed on of a backend's framing, and of its informational responses.

use super::support::{Gateway, Upstream, curl, port, to};

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
async fn uncertain_lengths_are_502() {
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
async fn a_304_and_an_answer_to_head_keep_their_length() {
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
async fn the_date_of_a_backend_is_kept_for_clients_of_http_1() {
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
        "no date at all"
    );
}
