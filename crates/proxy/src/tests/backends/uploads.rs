//! Long bodies that an endpoint doesn't read.

use crate::tests::support::tls_upstream::{TestAuthority, action, tls};
use crate::tests::support::{Client, Gateway, port, soon, to};
use gatefold_dataplane::backend::HttpVersion;
use rustls::crypto::ring;
use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// More than the buffers of two connections hold.
pub(crate) const LENGTH: usize = 32 * 1024 * 1024;
/// A body without progress for this long is blocked by the endpoint.
pub(crate) const STUCK: Duration = Duration::from_millis(500);

/// Less than any timeout that ends a write to an endpoint.
const PROMPT: Duration = Duration::from_secs(8);

/// Waits for an event that must not depend on a timeout.
pub(crate) async fn promptly<T>(future: impl Future<Output = T>) -> T {
    let end = tokio::time::timeout(PROMPT, future).await;
    end.expect("the event took as long as a timeout")
}

pub(crate) const TOO_LARGE: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 7\r\n\r\ntoo big";

/// A backend that reads only the header of a request. Each connection is passed to the test.
pub(crate) struct Unwilling {
    pub(crate) address: SocketAddr,
    taken: mpsc::UnboundedReceiver<Client<TcpStream>>,
}

impl Unwilling {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let socket = SockRef::from(&listener);
        socket.set_recv_buffer_size(64 * 1024).expect("an option");
        let (sender, taken) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut client = Client::new(tcp);
                    if client.message(true, false).await.is_some() {
                        let _ = sender.send(client);
                    }
                });
            }
        });
        Unwilling { address, taken }
    }

    pub(crate) async fn next(&mut self) -> Client<TcpStream> {
        soon(self.taken.recv()).await.expect("a connection")
    }
}

/// Starts an upload over HTTP/1.1 and sends only its header. Returns what has to stay alive, the client's connection, and the
/// endpoint's.
async fn begin_upload(
    length: usize,
) -> ((Gateway, Unwilling), Client<TcpStream>, Client<TcpStream>) {
    let mut backend = Unwilling::start().await;
    let gateway = Gateway::start(port(to(&[backend.address]))).await;
    let mut client = gateway.connect().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    client.send(head).await;
    let endpoint = backend.next().await;
    ((gateway, backend), client, endpoint)
}

/// Waits until a connection is reset. Doesn't read, since that would let the gateway continue to write.
pub(crate) async fn is_reset(endpoint: &Client<TcpStream>) {
    while endpoint.stream.take_error().expect("an option").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends until nothing is accepted any more.
async fn fill(stream: &mut TcpStream, piece: &[u8]) {
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(STUCK, stream.write(piece)).await {
        sent += written.expect("the connection is open");
        assert!(sent < LENGTH, "the whole body was accepted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn error_reaches_the_client_while_its_body_is_not_read() {
    for (framing, piece) in [
        (format!("Content-Length: {LENGTH}"), vec![b'x'; 64 * 1024]),
        (
            "Transfer-Encoding: chunked".to_owned(),
            [b"10000\r\n", &*vec![b'x'; 64 * 1024], b"\r\n"].concat(),
        ),
    ] {
        let mut backend = Unwilling::start().await;
        let gateway = Gateway::start(port(to(&[backend.address]))).await;
        let mut client = gateway.connect().await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        client.send(head).await;
        let mut endpoint = backend.next().await;
        fill(&mut client.stream, &piece).await;
        endpoint.send(TOO_LARGE).await;
        let answer = promptly(client.answer(false)).await;
        assert_eq!(answer.status(), 413, "{framing}");
        assert_eq!(answer.text(), "too big", "{framing}");
        // The connection is not reused.
        assert!(promptly(endpoint.ends_somehow()).await);
    }
}

/// The response arrives at a different moment each time. Pingora may read it just before the connection is full.
#[tokio::test(flavor = "multi_thread")]
async fn error_reaches_the_client_at_any_moment_of_an_upload() {
    const UPLOADS: usize = 150;
    let mut backend = Unwilling::start().await;
    let gateway = Gateway::start(port(to(&[backend.address]))).await;
    let answering = tokio::spawn(async move {
        let mut answered = Vec::new();
        for number in 0..UPLOADS {
            let mut endpoint = backend.next().await;
            for _ in 0..(number * 7919) % 400 {
                tokio::task::yield_now().await;
            }
            endpoint.send(TOO_LARGE).await;
            answered.push(endpoint);
        }
        answered
    });
    let piece = vec![b'x'; 64 * 1024];
    for number in 0..UPLOADS {
        let mut client = gateway.connect().await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
        client.send(head).await;
        let (mut reader, mut writer) = client.stream.split();
        let sending = async {
            for _ in 0..LENGTH / piece.len() {
                if writer.write_all(&piece).await.is_err() {
                    break;
                }
            }
            std::future::pending().await
        };
        let mut begun = [0; 12];
        tokio::select! {
            read = promptly(reader.read_exact(&mut begun)) => drop(read.expect("an answer")),
            () = sending => {}
        }
        assert_eq!(&begun, b"HTTP/1.1 413", "upload {number}");
    }
    answering.await.expect("every upload is answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn error_of_a_tls_backend_reaches_the_client_while_its_body_is_not_read() {
    let authority = TestAuthority::new();
    let (certificate, key) = authority.issue("shop.example.com");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a pair")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let action = action(address, HttpVersion::Http1, tls(&authority, &[], None));
    let gateway = Gateway::start(port(action)).await;
    let mut client = gateway.connect().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
    client.send(head).await;
    let (tcp, _) = soon(listener.accept()).await.expect("a connection");
    let tls = soon(acceptor.accept(tcp)).await.expect("TLS");
    let mut endpoint = Client::new(tls);
    soon(endpoint.message(true, false))
        .await
        .expect("a request");
    fill(&mut client.stream, &[b'x'; 64 * 1024]).await;
    endpoint.send(TOO_LARGE).await;
    let answer = promptly(client.answer(false)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.text(), "too big");
    assert!(promptly(endpoint.ends_somehow()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_that_arrived_before_the_body_got_stuck_reaches_the_client() {
    let (_running, mut client, mut endpoint) = begin_upload(LENGTH).await;
    endpoint.send(TOO_LARGE).await;
    let answer = promptly(client.answer(false)).await;
    assert_eq!(answer.status(), 413);
    // From here on, the client's data is discarded until that takes too long.
    let (mut from, mut into) = client.stream.into_split();
    let upload = tokio::spawn(async move {
        let piece = vec![b'x'; 64 * 1024];
        while into.write_all(&piece).await.is_ok() {}
    });
    let mut rest = Vec::new();
    let _ = soon(from.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "a second response was sent");
    soon(upload).await.expect("no panic");
    assert!(promptly(endpoint.ends_somehow()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn success_does_not_end_a_body_that_is_still_read() {
    let length = 8 * 1024 * 1024;
    let (_running, client, mut endpoint) = begin_upload(length).await;
    endpoint
        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        .await;
    let (mut from, mut into) = client.stream.into_split();
    let upload = tokio::spawn(async move {
        into.write_all(&vec![b'x'; length]).await.expect("sent");
        into
    });
    let body = soon(endpoint.bytes(length)).await;
    assert_eq!(body.len(), length, "the body is incomplete");
    endpoint.send("cd").await;
    let mut answer = Vec::new();
    soon(async {
        while !answer.ends_with(b"abcd") {
            assert_ne!(from.read_buf(&mut answer).await.expect("an answer"), 0);
        }
    })
    .await;
    drop(soon(upload).await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_endpoint_gets_a_long_body_completely() {
    let length = 16 * 1024 * 1024;
    let (_running, client, mut endpoint) = begin_upload(length).await;
    let (mut from, mut into) = client.stream.into_split();
    let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    let expected = body.clone();
    let upload = tokio::spawn(async move {
        into.write_all(&body).await.expect("sent");
        into
    });
    let mut got = endpoint.rest();
    while got.len() < length {
        let read = soon(endpoint.stream.read_buf(&mut got)).await;
        assert_ne!(read.expect("a body"), 0, "the body ended early");
    }
    assert!(got == expected, "the body was changed");
    endpoint.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut answer = [0; 12];
    soon(from.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 204");
    drop(soon(upload).await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_is_released_if_an_http1_client_resets_its_connection() {
    let ((gateway, _backend), mut client, endpoint) = begin_upload(LENGTH).await;
    fill(&mut client.stream, &[b'x'; 64 * 1024]).await;
    let socket = SockRef::from(&client.stream);
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
    drop(client);
    promptly(is_reset(&endpoint)).await;
    promptly(gateway.all_gone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_that_does_not_read_is_released_if_the_client_leaves_during_the_body() {
    let (_running, mut client, endpoint) = begin_upload(LENGTH).await;
    // More than the endpoint's system accepts, but not so much that the body is blocked.
    client.send(vec![b'x'; 256 * 1024]).await;
    drop(client);
    promptly(is_reset(&endpoint)).await;
}
