//! Deadlines of slow clients.

use crate::Timeouts;
use crate::tests::clients::tls;
use crate::tests::support::{Client, Gateway, Upstream, port, soon, tls_port, to};
use gatefold_listen::{Deadlines, ListenOptions, Meters};
use prometheus_client::registry::Registry;
use rcgen::PKCS_ECDSA_P256_SHA256;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Long enough never to pass.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(200);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

fn patient() -> Deadlines {
    Deadlines {
        handshake: LONG,
        first_byte: LONG,
        header: LONG,
        idle: LONG,
        http2_idle: LONG,
        write: LONG,
        half_closed: LONG,
        drain: LONG,
    }
}

/// A gateway with short deadlines, and its metrics.
struct Fixture {
    gateway: Gateway,
    registry: Registry,
}

impl Fixture {
    async fn plain(deadlines: Deadlines) -> Self {
        let upstream = Upstream::plain().await;
        Fixture::with(port(to(&[upstream.address])), deadlines).await
    }

    async fn tls(deadlines: Deadlines) -> Self {
        let upstream = Upstream::plain().await;
        let key = tls::certified(&["www.example.com"], &PKCS_ECDSA_P256_SHA256);
        let port = tls_port(to(&[upstream.address]), tls::certificates(&[(None, &key)]));
        Fixture::with(port, deadlines).await
    }

    async fn with(port: gatefold_dataplane::Port, deadlines: Deadlines) -> Self {
        let mut registry = Registry::default();
        let options = ListenOptions {
            deadlines,
            meters: Meters::register(&mut registry),
            ..ListenOptions::default()
        };
        let gateway = Gateway::taking(port, Timeouts::default(), options).await;
        Fixture { gateway, registry }
    }

    /// Returns the number of connections closed for a reason.
    fn closed(&self, reason: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text");
        let name = format!("gatefold_connections_closed_total{{reason=\"{reason}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.expect("a sample").parse().expect("a number")
    }

    /// Waits until this many connections were closed for a reason.
    async fn closes(&self, reason: &str, count: u64) {
        soon(async {
            while self.closed(reason) < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn over_tls(&self, protocol: &[u8]) -> Client<impl AsyncRead + AsyncWrite + Unpin> {
        let mut config = tls::client_config(None);
        config.alpn_protocols = vec![protocol.to_vec()];
        let client = tls::handshake(&self.gateway, Some("www.example.com"), config);
        client.await.expect("a TLS session")
    }
}

/// Sends a byte now and then until the connection is closed.
async fn drip<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        let sent = client.stream.write_all(&[*byte]).await;
        let wait = tokio::time::timeout(SHORT / 10, client.peek());
        if sent.is_err() || wait.await.is_ok() {
            return;
        }
    }
}

fn short_header() -> Deadlines {
    Deadlines {
        header: SHORT,
        ..patient()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn header_sent_byte_by_byte_is_answered_408() {
    let fixture = Fixture::plain(short_header()).await;
    let mut client = fixture.gateway.connect().await;
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nX: ").await;
    soon(drip(&mut client, b"a")).await;
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
    let answer = client.answer(false).await;
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.header("connection"), ["close"]);
    assert!(client.ended().await);
    assert_eq!(fixture.closed("header_timeout"), 1);
    fixture.gateway.all_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_request_of_a_connection_has_the_same_deadline() {
    let fixture = Fixture::plain(short_header()).await;
    let mut client = fixture.gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status(), 200);
    // Idle for longer than the deadline of a header.
    tokio::time::sleep(2 * SHORT).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status(), 200);
    client.send("GET ").await;
    assert_eq!(client.answer(false).await.status(), 408);
    assert!(client.ended().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_header_over_tls_is_answered_408() {
    let fixture = Fixture::tls(short_header()).await;
    let mut client = fixture.over_tls(b"http/1.1").await;
    client.send("GET / HTTP/1.1\r\nX: ").await;
    soon(drip(&mut client, b"a")).await;
    assert_eq!(client.answer(false).await.status(), 408);
    assert!(client.ended().await);
    assert_eq!(fixture.closed("header_timeout"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_letter_of_the_http2_preface_alone_is_answered_408() {
    let fixture = Fixture::plain(short_header()).await;
    let mut client = fixture.gateway.connect().await;
    client.send("P").await;
    assert_eq!(client.answer(false).await.status(), 408);
    assert!(client.ended().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_body_and_slow_response_are_not_a_slow_header() {
    let fixture = Fixture::plain(Deadlines {
        header: SHORT,
        first_byte: SHORT,
        idle: SHORT,
        ..patient()
    })
    .await;
    let mut client = fixture.gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        .await;
    for byte in ["a", "b", "c", "d", "e"] {
        tokio::time::sleep(SHORT / 2).await;
        client.send(byte).await;
    }
    assert_eq!(client.answer(false).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connection_is_closed() {
    let deadlines = Deadlines {
        first_byte: SHORT,
        ..patient()
    };
    let plain = Fixture::plain(deadlines).await;
    assert!(plain.gateway.connect().await.ended().await);
    assert_eq!(plain.closed("first_byte_timeout"), 1);
    let tls = Fixture::tls(deadlines).await;
    assert!(tls.over_tls(b"http/1.1").await.ended().await);
    assert!(tls.over_tls(b"h2").await.ends_somehow().await);
    assert_eq!(tls.closed("first_byte_timeout"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_tls_handshake_is_cut_off() {
    let fixture = Fixture::tls(Deadlines {
        handshake: SHORT,
        ..patient()
    })
    .await;
    let mut client = fixture.gateway.connect().await;
    // The beginning of a ClientHello.
    client.send([22, 3, 1, 2, 0, 1]).await;
    assert!(client.ended().await);
    assert_eq!(fixture.closed("handshake_timeout"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connection_is_closed_without_a_response() {
    let deadlines = Deadlines {
        idle: SHORT,
        ..patient()
    };
    let plain = Fixture::plain(deadlines).await;
    let mut client = plain.gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status(), 200);
    assert!(client.ended().await);
    assert_eq!(plain.closed("idle_timeout"), 1);
    let tls = Fixture::tls(deadlines).await;
    let mut client = tls.over_tls(b"http/1.1").await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status(), 200);
    assert!(client.ended().await);
}

/// Returns the frame of a `GET /` for host `a` on a stream, with these flags.
fn headers(stream: u8, flags: u8) -> Vec<u8> {
    let block = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let mut frame = vec![0, 0, block.len() as u8, 1, flags, 0, 0, 0, stream];
    frame.extend(block);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_http2_connection_gets_a_goaway() {
    let fixture = Fixture::plain(Deadlines {
        http2_idle: SHORT,
        ..patient()
    })
    .await;
    let mut client = fixture.gateway.connect().await;
    client
        .send([PREFACE, &SETTINGS, &headers(1, 5)].concat())
        .await;
    let goaway = soon(client.frame_of_type(7)).await;
    assert_eq!(goaway, [0, 0, 0, 1, 0, 0, 0, 0], "stream 1, no error");
    assert!(client.ends_somehow().await);
    assert_eq!(fixture.closed("idle_timeout"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_client_that_stops_in_the_middle_is_cut_off() {
    let fixture = Fixture::plain(short_header()).await;
    let open_header = [PREFACE, &SETTINGS, &headers(1, 1)].concat();
    for beginning in [
        PREFACE.get(..20).expect("a part"),
        PREFACE,
        &[PREFACE, &SETTINGS[..5]].concat(),
        &open_header,
    ] {
        let mut client = fixture.gateway.connect().await;
        client.send(beginning).await;
        assert!(client.ends_somehow().await, "{beginning:?}");
    }
    assert_eq!(fixture.closed("header_timeout"), 4);
    // A client without an incomplete frame stays connected.
    let mut client = fixture.gateway.connect().await;
    client.send([PREFACE, &SETTINGS].concat()).await;
    tokio::time::sleep(2 * SHORT).await;
    client.send(headers(1, 5)).await;
    soon(client.frame_of_type(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_request_ends_if_its_body_never_arrives() {
    let upstream = Upstream::plain().await;
    let timeouts = Timeouts {
        upstream_read: SHORT,
        downstream_read: SHORT,
        ..Timeouts::default()
    };
    let gateway = Gateway::with(port(to(&[upstream.address])), timeouts).await;
    let mut client = gateway.connect().await;
    // END_HEADERS, but not END_STREAM.
    client
        .send([PREFACE, &SETTINGS, &headers(1, 4)].concat())
        .await;
    let block = soon(client.frame_of_type(1)).await;
    assert!(!block.is_empty(), "an answer");
    assert_eq!(upstream.requests(), 0, "the backend got a complete request");
}

/// A frame without much effect: it enlarges the connection's window by one byte.
const WINDOW_UPDATE: [u8; 13] = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1];

#[tokio::test(flavor = "multi_thread")]
async fn http2_client_that_is_always_in_the_middle_of_a_frame_counts_as_idle() {
    let fixture = Fixture::plain(Deadlines {
        http2_idle: SHORT,
        ..patient()
    })
    .await;
    let mut client = fixture.gateway.connect().await;
    let (first, rest) = WINDOW_UPDATE.split_at(1);
    client.send([PREFACE, &SETTINGS, first].concat()).await;
    let goaway = soon(async {
        loop {
            client.send([rest, first].concat()).await;
            let goaway = client.frame_of_type(7);
            if let Ok(goaway) = tokio::time::timeout(SHORT / 10, goaway).await {
                return goaway;
            }
        }
    });
    assert_eq!(goaway.await, [0; 8], "no request, no error");
    assert_eq!(fixture.closed("idle_timeout"), 1);
    fixture.gateway.all_gone().await;
}

/// Starts a gateway whose backend sends more than the system buffers for a client that reads nothing.
async fn endless(deadlines: Deadlines) -> Fixture {
    let length = 32 * 1024 * 1024;
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length, b'x');
    let upstream = Upstream::answering(answer).await;
    Fixture::with(port(to(&[upstream.address])), deadlines).await
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_reads_nothing_of_its_response_is_cut_off() {
    let fixture = endless(Deadlines {
        write: SHORT,
        ..patient()
    })
    .await;
    let mut plain = fixture.gateway.connect().await;
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    fixture.closes("write_timeout", 1).await;
    // The largest windows: of a stream (SETTINGS_INITIAL_WINDOW_SIZE), and of the connection.
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff];
    let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0];
    let mut http2 = fixture.gateway.connect().await;
    http2
        .send([PREFACE, &settings, &window, &headers(1, 5)].concat())
        .await;
    fixture.closes("write_timeout", 2).await;
    fixture.gateway.all_gone().await;
}
