//! Backends that speak HTTP/2 without TLS.

use super::support::{Gateway, port, port_of, port_with, rule, soon, to_target};
use bytes::Bytes;
use gatefold_dataplane::backend::{Endpoints, HttpVersion, Target};
use gatefold_dataplane::filter::path_modifier::PathModifier;
use gatefold_dataplane::filter::url_rewrite::UrlRewrite;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_dataplane::retry::Retry;
use gatefold_dataplane::timeouts::{Limit, RuleTimeouts};
use gatefold_dataplane::{Action, Rule};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What a backend does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// Sends each piece back as it comes, and trailers in the end.
    Echo,
    /// The same, and ends the connection after the request.
    EchoAndGoAway,
    /// Refuses the first stream of a connection unread.
    RefuseFirst,
    /// Answers `/large` with 4 MiB, as fast as they are taken.
    Download,
    /// Never answers.
    Silent,
    /// Answers with a header that says there is no body, and never ends.
    Endless,
}

const LARGE: usize = 4 * 1024 * 1024;

struct Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<http::request::Parts>>>,
    /// Why streams were reset.
    resets: mpsc::UnboundedReceiver<Reason>,
}

impl Upstream {
    async fn start(behaviour: Behaviour) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (sender, resets) = mpsc::unbounded_channel();
        let upstream = Upstream {
            address: listener.local_addr().expect("its address"),
            connections: Arc::default(),
            seen: Arc::default(),
            resets,
        };
        let (connections, seen) = (upstream.connections.clone(), upstream.seen.clone());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(tcp, behaviour, seen.clone(), sender.clone()));
            }
        });
        upstream
    }

    fn action(&self) -> Action {
        let endpoints = Endpoints::new(HttpVersion::Http2, &[self.address], 0);
        let endpoints = Arc::new(endpoints.expect("an address"));
        to_target(Target::Endpoints(endpoints), Filters::default())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn last(&self) -> http::request::Parts {
        let seen = self.seen.lock().expect("no panic");
        seen.last().cloned().expect("a request")
    }
}

async fn serve(
    tcp: TcpStream,
    behaviour: Behaviour,
    seen: Arc<Mutex<Vec<http::request::Parts>>>,
    resets: mpsc::UnboundedSender<Reason>,
) {
    let mut connection = h2::server::handshake(tcp).await.expect("HTTP/2");
    let mut first = true;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if behaviour == Behaviour::RefuseFirst && std::mem::take(&mut first) {
            respond.send_reset(Reason::REFUSED_STREAM);
            continue;
        }
        let (parts, body) = request.into_parts();
        seen.lock().expect("no panic").push(parts.clone());
        let resets = resets.clone();
        tokio::spawn(async move {
            let _ = match behaviour {
                Behaviour::Download if parts.uri.path() == "/large" => download(respond).await,
                Behaviour::Silent => {
                    let reset = std::future::poll_fn(|context| respond.poll_reset(context)).await;
                    reset.map(|reason| resets.send(reason).expect("the test waits"))
                }
                Behaviour::Endless => without_end(respond).await,
                _ => echo(body, respond).await,
            };
        });
        if behaviour == Behaviour::EchoAndGoAway {
            connection.graceful_shutdown();
        }
    }
}

async fn echo(mut body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut sender = respond.send_response(Response::new(()), false)?;
    while let Some(piece) = body.data().await {
        let piece = piece?;
        send(&mut sender, piece.clone()).await?;
        body.flow_control().release_capacity(piece.len())?;
    }
    let status = HeaderValue::from_static("0");
    sender.send_trailers(HeaderMap::from_iter([(
        "grpc-status".parse().expect("a name"),
        status,
    )]))
}

async fn without_end(mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let response = Response::builder().header("content-length", "0").body(());
    let mut sender = respond.send_response(response.expect("a response"), false)?;
    std::future::poll_fn(|context| sender.poll_reset(context)).await?;
    Ok(())
}

async fn download(mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut sender = respond.send_response(Response::new(()), false)?;
    send(&mut sender, vec![b'x'; LARGE].into()).await?;
    sender.send_data(Bytes::new(), true)
}

/// Sends as the receiver makes room.
async fn send(sender: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        sender.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|context| sender.poll_capacity(context)).await;
        let room = room.unwrap_or(Err(Reason::CANCEL.into()))?;
        sender.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(())
}

async fn client(gateway: &Gateway) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(gateway.address)
        .await
        .expect("a connection");
    let (sender, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn call(path: &str) -> Request<()> {
    let request = Request::post(format!("http://api.example.com{path}"));
    let request = request.header("content-type", "application/grpc");
    request
        .header("te", "trailers")
        .body(())
        .expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_both_directions_goes_through_and_ends_with_its_trailers() {
    let upstream = Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, mut sender) = client.send_request(call("/say"), false).expect("sent");
    let response = soon(response).await.expect("headers before the end");
    let mut body = response.into_body();
    for number in 0..100 {
        let message = Bytes::from(format!("message {number}"));
        send(&mut sender, message.clone()).await.expect("sent");
        let back = soon(body.data()).await.expect("a piece").expect("a piece");
        let _ = body.flow_control().release_capacity(back.len());
        assert_eq!(
            back, message,
            "each message comes back before the next is sent"
        );
    }
    sender.send_data(Bytes::new(), true).expect("ended");
    assert!(soon(body.data()).await.is_none(), "the end");
    let trailers = soon(body.trailers()).await.expect("trailers");
    assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
    let seen = upstream.last();
    assert_eq!(
        seen.headers["te"], "trailers",
        "or a gRPC server refuses it"
    );
    assert_eq!(
        seen.uri.authority().map(|it| it.as_str()),
        Some("api.example.com")
    );
    assert_eq!(seen.uri.scheme_str(), Some("http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_into_a_window_goes_both_ways_at_once() {
    // More than that: see docs/decisions/http2-backends.md.
    const SIZE: usize = 192 * 1024;
    let upstream = Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, mut sender) = client.send_request(call("/say"), false).expect("sent");
    let upload = tokio::spawn(async move {
        let bytes = vec![b'x'; SIZE].into();
        send(&mut sender, bytes).await.expect("sent");
        sender.send_data(Bytes::new(), true).expect("ended");
    });
    let mut body = soon(response).await.expect("headers").into_body();
    let mut length = 0;
    while let Some(piece) = soon(body.data()).await {
        let piece = piece.expect("a piece");
        length += piece.len();
        let _ = body.flow_control().release_capacity(piece.len());
    }
    assert_eq!(length, SIZE);
    soon(upload).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_a_connection_and_stalled_ones_stop_no_other() {
    let upstream = Upstream::start(Behaviour::Download).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        // Each on a connection of its own, which takes no more than 64 KiB.
        let mut client = client(&gateway).await;
        let (response, _) = client.send_request(call("/large"), true).expect("sent");
        stalled.push((client, soon(response).await.expect("headers")));
    }
    assert_eq!(
        upstream.connections(),
        1,
        "40 requests, one after the other"
    );
    let answer = gateway.get("/small").await;
    assert_eq!(answer.status(), 200, "with 40 stalled responses beside it");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_ends_its_connections_costs_no_request() {
    let upstream = Upstream::start(Behaviour::EchoAndGoAway).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = gateway.connect().await;
    for number in 0..100 {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
        client.send(format!("{head}{number:04}")).await;
        let answer = client.answer(false).await;
        assert_eq!(answer.status(), 200, "{number}: {}", answer.head);
        assert_eq!(answer.text(), format!("{number:04}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_refused_unread_is_sent_again_with_its_body() {
    let upstream = Upstream::start(Behaviour::RefuseFirst).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let answer = gateway.ask(request).await;
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (200, "hello"),
        "{}",
        answer.head
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_client_was_sent_100_is_sent_again_when_it_was_refused_unread() {
    let upstream = Upstream::start(Behaviour::RefuseFirst).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = gateway.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.status(), 100);
    client.send("hello").await;
    let answer = client.answer(false).await;
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (200, "hello"),
        "{}",
        answer.head
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_count_requests_that_were_refused_unread() {
    for (attempts, status) in [(0, 502), (1, 200)] {
        let upstream = Upstream::start(Behaviour::RefuseFirst).await;
        let retry = Retry {
            codes: Box::default(),
            attempts,
            backoff: Duration::from_millis(20),
        };
        let gateway = Gateway::start(port_of(Rule {
            retry: Some(Box::new(retry)),
            ..rule(upstream.action())
        }));
        let answer = gateway.await.get("/").await;
        assert_eq!(answer.status(), status, "{attempts} attempts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_http_1_reach_a_backend_of_http_2() {
    let upstream = Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let chunks = "POST /a?b=c HTTP/1.1\r\nHost: www.example.com\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
                  Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let answer = gateway.ask(chunks).await;
    assert_eq!(answer.text(), "hello world");
    let seen = upstream.last();
    assert_eq!(seen.uri, "http://www.example.com/a?b=c");
    for name in ["host", "connection", "x-hop", "transfer-encoding"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_gets_what_an_http_2_backend_sends_without_chunks() {
    let upstream = Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let request =
        "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello";
    let answer = gateway.ask(request).await;
    let coding = answer.header("transfer-encoding");
    assert_eq!(coding, [""; 0], "{}", answer.head);
    assert_eq!(answer.header("connection"), ["close"], "{}", answer.head);
    assert_eq!(answer.text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_rewritten_between_http_2_and_http_2() {
    let upstream = Upstream::start(Behaviour::Echo).await;
    let rewrite = UrlRewrite {
        hostname: None,
        path: Some(PathModifier::full("/new")),
    };
    let filters = Filters::new(vec![Filter::UrlRewrite(rewrite)]);
    let gateway = Gateway::start(port_with(upstream.action(), filters)).await;
    let mut client = client(&gateway).await;
    let (response, _) = client.send_request(call("/old?q"), true).expect("sent");
    let response = soon(response).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(upstream.last().uri, "http://api.example.com/new?q");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_was_asked_for_is_told_between_http_2_and_http_2() {
    let upstream = Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, _) = client.send_request(call("/"), true).expect("sent");
    soon(response).await.expect("a response");
    assert_eq!(
        upstream.last().headers["x-forwarded-host"],
        "api.example.com"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_not_asked_of_http_2() {
    let upstream = Upstream::start(Behaviour::Echo).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status(), 200, "{}", answer.head);
    assert!(!upstream.last().headers.contains_key("upgrade"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_cancels_its_request_at_the_backend() {
    let mut upstream = Upstream::start(Behaviour::Silent).await;
    let gateway = Gateway::start(port(upstream.action())).await;
    let mut client = client(&gateway).await;
    let (response, mut sender) = client.send_request(call("/wait"), false).expect("sent");
    send(&mut sender, "hello".into()).await.expect("sent");
    soon(async {
        while upstream.seen.lock().expect("no panic").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sender.send_reset(Reason::CANCEL);
    drop(response);
    assert_eq!(soon(upstream.resets.recv()).await, Some(Reason::CANCEL));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_without_a_body_that_does_not_end_is_cut_off_in_time() {
    let upstream = Upstream::start(Behaviour::Endless).await;
    let timeouts = RuleTimeouts {
        request: Limit::After(Duration::from_millis(300)),
        backend_request: Limit::Unset,
    };
    let gateway = Gateway::start(port_of(Rule {
        timeouts,
        ..rule(upstream.action())
    }))
    .await;
    let mut client = client(&gateway).await;
    let (response, _) = client.send_request(call("/"), true).expect("sent");
    let mut body = soon(response).await.expect("a header").into_body();
    let end = soon(body.data()).await.expect("no end in order");
    assert!(end.is_err(), "{end:?}");
}
