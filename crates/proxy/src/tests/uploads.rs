//! Long bodies that an endpoint doesn't take.

use super::backend_tls::{Authority, action, tls};
use super::support::{Client, Gateway, port, soon, to, to_target};
use crate::Timeouts;
use bytes::Bytes;
use gatefold_dataplane::backend::{Endpoints, HttpVersion, Target};
use gatefold_dataplane::filter::Filters;
use h2::client::SendRequest;
use h2::{Reason, SendStream};
use http::Request;
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
const LENGTH: usize = 32 * 1024 * 1024;
/// What any connection takes. An upload of no more than this is closed in order: the last one may find the window of the client's
/// connection full.
const LITTLE: usize = 32 * 1024;
/// A body that nothing was taken of for so long waits for the endpoint.
const STUCK: Duration = Duration::from_millis(500);

/// Less than any time limit of a connection to an endpoint takes to end a write.
const PROMPT: Duration = Duration::from_secs(8);

/// Waits for something that no time limit brings about.
async fn promptly<T>(future: impl Future<Output = T>) -> T {
    let end = tokio::time::timeout(PROMPT, future).await;
    end.expect("it takes as long as a time limit")
}

const TOO_LARGE: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 7\r\n\r\ntoo big";

/// A backend that reads no further than a request's header. Each connection is handed to the test.
struct Unwilling {
    address: SocketAddr,
    taken: mpsc::UnboundedReceiver<Client<TcpStream>>,
}

impl Unwilling {
    async fn start() -> Self {
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

    async fn next(&mut self) -> Client<TcpStream> {
        soon(self.taken.recv()).await.expect("a connection")
    }
}

/// Begins an upload over HTTP/1.1 of which only the header is sent. Returns the client's connection and the endpoint's, and what
/// has to be kept for them.
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

/// Waits until a connection is reset. Reads nothing, which would let the gateway go on writing.
async fn is_reset(endpoint: &Client<TcpStream>) {
    while endpoint.stream.take_error().expect("an option").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends until nothing is taken any more.
async fn fill(stream: &mut TcpStream, piece: &[u8]) {
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(STUCK, stream.write(piece)).await {
        sent += written.expect("the connection stands");
        assert!(sent < LENGTH, "all of the body was taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_reaches_the_client_while_its_body_is_not_read() {
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
        // It isn't used for another request.
        assert!(promptly(endpoint.ends_somehow()).await);
    }
}

/// The answer comes at another moment each time. Pingora may have read it just before the connection has no room left.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_reaches_the_client_at_whatever_moment_of_an_upload_it_comes() {
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
    answering.await.expect("all are answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_a_backend_in_tls_reaches_the_client_while_its_body_is_not_read() {
    let authority = Authority::new();
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
async fn an_error_that_came_before_the_body_got_stuck_reaches_the_client() {
    let (_running, mut client, mut endpoint) = begin_upload(LENGTH).await;
    endpoint.send(TOO_LARGE).await;
    let answer = promptly(client.answer(false)).await;
    assert_eq!(answer.status(), 413);
    // What the client sends from here on is dropped, until that takes too long.
    let (mut from, mut into) = client.stream.into_split();
    let upload = tokio::spawn(async move {
        let piece = vec![b'x'; 64 * 1024];
        while into.write_all(&piece).await.is_ok() {}
    });
    let mut rest = Vec::new();
    let _ = soon(from.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "one response");
    soon(upload).await.expect("no panic");
    assert!(promptly(endpoint.ends_somehow()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_does_not_end_a_body_that_is_still_read() {
    let length = 8 * 1024 * 1024;
    let (_running, client, mut endpoint) = begin_upload(length).await;
    endpoint
        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        .await;
    let (mut from, mut into) = client.stream.into_split();
    let upload = tokio::spawn(async move {
        into.write_all(&vec![b'x'; length]).await.expect("taken");
        into
    });
    let body = soon(endpoint.bytes(length)).await;
    assert_eq!(body.len(), length, "all of it came");
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
async fn a_slow_endpoint_gets_a_long_body_whole() {
    let length = 16 * 1024 * 1024;
    let (_running, client, mut endpoint) = begin_upload(length).await;
    let (mut from, mut into) = client.stream.into_split();
    let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    let expected = body.clone();
    let upload = tokio::spawn(async move {
        into.write_all(&body).await.expect("taken");
        into
    });
    let mut got = endpoint.rest();
    while got.len() < length {
        let read = soon(endpoint.stream.read_buf(&mut got)).await;
        assert_ne!(read.expect("a body"), 0, "it ended too early");
    }
    assert!(got == expected, "the body arrives as it was sent");
    endpoint.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut answer = [0; 12];
    soon(from.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 204");
    drop(soon(upload).await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_client_that_resets_its_connection_frees_the_endpoint() {
    let ((gateway, _backend), mut client, endpoint) = begin_upload(LENGTH).await;
    fill(&mut client.stream, &[b'x'; 64 * 1024]).await;
    let socket = SockRef::from(&client.stream);
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
    drop(client);
    promptly(is_reset(&endpoint)).await;
    promptly(gateway.all_gone()).await;
}

async fn http2(gateway: &Gateway) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(gateway.address).await;
    let (sender, connection) = h2::client::handshake(tcp.expect("a connection"))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

type Pending = (h2::client::ResponseFuture, SendStream<Bytes>);

async fn post(sender: &SendRequest<Bytes>) -> Pending {
    let request = Request::post("http://a/").body(()).expect("a request");
    let mut sender = soon(sender.clone().ready()).await.expect("a stream");
    sender.send_request(request, false).expect("sent")
}

/// Sends until nothing is taken any more. Returns how much was.
async fn fill_stream(stream: &mut SendStream<Bytes>) -> usize {
    let piece = Bytes::from(vec![b'x'; 16 * 1024]);
    let mut sent = 0;
    while let Ok(taken) = tokio::time::timeout(STUCK, send_some(stream, &piece)).await {
        sent += taken;
        assert!(sent < LENGTH, "all of the body was taken");
    }
    sent
}

/// Sends as much of a piece as the windows allow, and waits until that is something.
async fn send_some(stream: &mut SendStream<Bytes>, piece: &Bytes) -> usize {
    loop {
        stream.reserve_capacity(piece.len());
        let capacity = std::future::poll_fn(|context| stream.poll_capacity(context));
        let capacity = capacity.await.expect("an open stream").expect("capacity");
        let taken = capacity.min(piece.len());
        if taken > 0 {
            stream.send_data(piece.slice(..taken), false).expect("sent");
            return taken;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_reaches_an_http_2_client_while_its_body_is_not_read() {
    let mut backend = Unwilling::start().await;
    let gateway = Gateway::start(port(to(&[backend.address]))).await;
    let sender = http2(&gateway).await;
    let (response, mut stream) = post(&sender).await;
    let mut endpoint = backend.next().await;
    fill_stream(&mut stream).await;
    endpoint.send(TOO_LARGE).await;
    let response = promptly(response).await.expect("an answer");
    assert_eq!(response.status(), 413);
    let mut body = response.into_body();
    let data = soon(body.data()).await.expect("a body").expect("a body");
    assert_eq!(&*data, b"too big");
    assert!(promptly(endpoint.ends_somehow()).await);
    // The rest isn't wanted, and that is no error (RFC 9113, section 8.1).
    let reset = std::future::poll_fn(|context| stream.poll_reset(context));
    assert_eq!(soon(reset).await.expect("a reset"), Reason::NO_ERROR);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_amid_a_body_frees_an_endpoint_that_does_not_read() {
    let (_running, mut client, endpoint) = begin_upload(LENGTH).await;
    // More than the endpoint's system takes, and less than nothing is taken of any more.
    client.send(vec![b'x'; 256 * 1024]).await;
    drop(client);
    promptly(is_reset(&endpoint)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_an_http_2_client_resets_leave_room_for_others() {
    let mut backend = Unwilling::start().await;
    let gateway = Gateway::start(port(to(&[backend.address]))).await;
    let sender = http2(&gateway).await;
    let (mut streams, mut endpoints) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (_, mut stream) = post(&sender).await;
        let endpoint = backend.next().await;
        endpoints.push((endpoint, fill_stream(&mut stream).await));
        streams.push(stream);
    }
    for mut stream in streams {
        stream.send_reset(Reason::CANCEL);
    }
    let ended = promptly(async {
        for (endpoint, sent) in &mut endpoints {
            match *sent > LITTLE {
                true => is_reset(endpoint).await,
                false => assert!(endpoint.ends_somehow().await),
            }
        }
    });
    ended.await;
    let (response, mut stream) = post(&sender).await;
    let mut endpoint = backend.next().await;
    let length = 512 * 1024;
    stream
        .send_data(vec![b'x'; length].into(), true)
        .expect("sent");
    let body = soon(endpoint.chunks()).await.expect("a body");
    assert_eq!(body.len(), length);
    endpoint.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let response = soon(response).await.expect("an answer");
    assert_eq!(response.status(), 204);
}

/// Answers each message of 16 KiB with 400 KiB, one after the other.
async fn converse(tcp: TcpStream) {
    let mut connection = h2::server::handshake(tcp).await.expect("HTTP/2");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let mut messages = request.into_body();
            let mut answers = respond
                .send_response(http::Response::new(()), false)
                .expect("sent");
            let answer = Bytes::from(vec![b'y'; 400 * 1024]);
            let mut read = 0;
            while let Some(Ok(data)) = messages.data().await {
                read += data.len();
                let _ = messages.flow_control().release_capacity(data.len());
                while read >= 16 * 1024 {
                    read -= 16 * 1024;
                    let mut sent = 0;
                    while sent < answer.len() {
                        sent += send_some(&mut answers, &answer.slice(sent..)).await;
                    }
                }
            }
            let _ = answers.send_data(Bytes::new(), true);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_over_http_2_that_stands_still_ends_in_an_error() {
    const MESSAGES: usize = 40;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(converse(tcp));
        }
    });
    let endpoints = Endpoints::new(HttpVersion::Http2, &[address], 0).expect("an address");
    let target = Target::Endpoints(Arc::new(endpoints));
    let timeouts = Timeouts {
        upstream_read: STUCK,
        upstream_write: STUCK,
        ..Timeouts::default()
    };
    let gateway = Gateway::with(port(to_target(target, Filters::default())), timeouts).await;
    let sender = http2(&gateway).await;
    let (response, mut stream) = post(&sender).await;
    tokio::spawn(async move {
        let messages = Bytes::from(vec![b'x'; MESSAGES * 16 * 1024]);
        let _ = stream.send_data(messages, true);
        // The stream must not be reset from here.
        let _ = std::future::poll_fn(|context| stream.poll_reset(context)).await;
    });
    let mut body = soon(response).await.expect("an answer").into_body();
    let mut received = 0;
    let end = soon(async {
        while let Some(data) = body.data().await {
            let data = data?;
            received += data.len();
            body.flow_control().release_capacity(data.len())?;
        }
        Ok::<_, h2::Error>(())
    });
    match end.await {
        Ok(()) => assert_eq!(received, MESSAGES * 400 * 1024, "nothing may be missing"),
        Err(error) => assert!(error.is_reset(), "{error}"),
    }
}
