//! HTTP/2 clients that send raw frames, for what no library sends or shows.

use crate::tests::support::Client;
use crate::tests::support::{Gateway, Upstream, port, soon, to};
use gatefold_dataplane::Action;
use http::StatusCode;
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 100`, as a literal.
const CONTINUE: [u8; 5] = [0x08, 3, b'1', b'0', b'0'];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A `POST http://a/` with more fields.
fn post(fields: &[u8]) -> Vec<u8> {
    [&[0x83, 0x86, 0x84, 0x41, 1, b'a'], fields].concat()
}

/// `expect: 100-continue`, which becomes the newest entry of the dynamic table.
fn expect() -> Vec<u8> {
    [&[0x63, 12][..], b"100-continue"].concat()
}

async fn connect(gateway: &Gateway) -> Client<TcpStream> {
    let mut client = gateway.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    client
}

/// Waits until the stream or the connection is reset.
async fn refusal(client: &mut Client<TcpStream>) {
    loop {
        let header = client.bytes(9).await;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        client.bytes(length as usize).await;
        if matches!(header[3], RST_STREAM | GOAWAY) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_expects_100_gets_it_before_it_sends_the_body() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = connect(&gateway).await;
    // The second time the field is an index, since the host was added after it.
    for (stream, field) in [(1, expect()), (3, vec![0x80 | 63])] {
        client
            .send(frame(HEADERS, END_HEADERS, stream, &post(&field)))
            .await;
        let informational = soon(client.frame_of_type(HEADERS)).await;
        assert_eq!(informational, CONTINUE, "stream {stream}");
        client.send(frame(DATA, END_STREAM, stream, b"abc")).await;
        let response = soon(client.frame_of_type(HEADERS)).await;
        assert_eq!(response.first(), Some(&0x88), "200");
        assert_eq!(upstream.last().text(), "abc");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_clients_get_no_100() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = connect(&gateway).await;
    for (stream, flags, fields) in [
        (1, END_HEADERS, vec![]),
        (3, END_HEADERS | END_STREAM, expect()),
    ] {
        client
            .send(frame(HEADERS, flags, stream, &post(&fields)))
            .await;
        if flags & END_STREAM == 0 {
            client.send(frame(DATA, END_STREAM, stream, b"abc")).await;
        }
        let response = soon(client.frame_of_type(HEADERS)).await;
        assert_eq!(response.first(), Some(&0x88), "200");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_with_pseudo_headers_are_a_stream_error() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let mut client = connect(&gateway).await;
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x84]);
    let request = [
        frame(HEADERS, END_HEADERS, 1, &post(&[])),
        frame(DATA, 0, 1, b"abc"),
        trailers,
    ];
    client.send(request.concat()).await;
    let reason = soon(client.frame_of_type(RST_STREAM)).await;
    assert_eq!(reason, [0, 0, 0, 1], "PROTOCOL_ERROR");
    let next = frame(HEADERS, END_HEADERS | END_STREAM, 3, &post(&[]));
    client.send(next).await;
    let response = soon(client.frame_of_type(HEADERS)).await;
    assert_eq!(response.first(), Some(&0x88), "other streams are affected");
    assert_eq!(
        upstream.requests(),
        1,
        "the malformed request was forwarded completely"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn own_answer_to_a_small_body_resets_no_stream() {
    let gateway = Gateway::start(port(Action::Refuse(StatusCode::FORBIDDEN))).await;
    let mut client = connect(&gateway).await;
    client
        .send(frame(HEADERS, END_HEADERS, 1, &post(&[])))
        .await;
    soon(client.frame_of_type(HEADERS)).await;
    client.send(frame(DATA, END_STREAM, 1, b"abc")).await;
    let next = frame(HEADERS, END_HEADERS | END_STREAM, 3, &post(&[]));
    client.send(next).await;
    loop {
        let header = soon(client.bytes(9)).await;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        client.bytes(length as usize).await;
        assert_ne!(header[3], RST_STREAM, "stream {}", header[8]);
        if (header[3], header[8]) == (HEADERS, 3) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_fields_and_lengths_never_reach_a_backend() {
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(port(to(&[upstream.address]))).await;
    let literal = |name: &str, value: &str| {
        let length = |text: &str| u8::try_from(text.len()).expect("short");
        let mut field = vec![0, length(name)];
        field.extend(name.as_bytes());
        field.push(length(value));
        field.extend(value.as_bytes());
        field
    };
    for (name, value) in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("keep-alive", "1"),
        ("te", "gzip"),
        ("Upper", "a"),
        ("a b", "a"),
        ("content-length", "1"),
        ("content-length", "4"),
        ("content-length", "x"),
    ] {
        let mut client = connect(&gateway).await;
        let fields = post(&literal(name, value));
        client.send(frame(HEADERS, END_HEADERS, 1, &fields)).await;
        client.send(frame(DATA, END_STREAM, 1, b"abc")).await;
        soon(refusal(&mut client)).await;
    }
    assert_eq!(upstream.requests(), 0);
}
