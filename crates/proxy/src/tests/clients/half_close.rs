//! Clients that close their sending side before they have received the response.

use crate::Timeouts;
use crate::tests::clients::tls;
use crate::tests::support::Client;
use crate::tests::support::{Gateway, port, soon, tls_port, to};
use gatefold_listen::{Deadlines, ListenOptions, Meters};
use prometheus_client::registry::Registry;
use rcgen::PKCS_ECDSA_P256_SHA256;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

const GET: &str = "GET /a HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A backend that responds when notified, and reports each request and each end of a connection.
struct Slow {
    address: SocketAddr,
    answer: Arc<Notify>,
    events: mpsc::UnboundedReceiver<Event>,
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Request,
    End,
}

impl Slow {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let answer = Arc::new(Notify::new());
        let (sender, events) = mpsc::unbounded_channel();
        let notified = answer.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (notified, sender) = (notified.clone(), sender.clone());
                tokio::spawn(serve(Client::new(tcp), notified, sender));
            }
        });
        Slow {
            address,
            answer,
            events,
        }
    }

    async fn next(&mut self) -> Event {
        soon(self.events.recv()).await.expect("an event")
    }
}

async fn serve(
    mut client: Client<TcpStream>,
    notified: Arc<Notify>,
    sender: mpsc::UnboundedSender<Event>,
) {
    while let Some(request) = client.message(false, false).await {
        if request.head.starts_with("GET /quick") {
            client.send(OK).await;
            continue;
        }
        let _ = sender.send(Event::Request);
        tokio::select! {
            () = notified.notified() => client.send(OK).await,
            () = client.peek() => break,
        }
    }
    let _ = sender.send(Event::End);
}

/// Sends other requests, so that the gateway has certainly processed everything that was sent before.
async fn let_it_work(gateway: &Gateway) {
    for _ in 0..20 {
        assert_eq!(gateway.get("/quick").await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_half_closes_gets_its_responses() {
    let mut slow = Slow::start().await;
    let gateway = Gateway::start(port(to(&[slow.address]))).await;
    let mut client = gateway.connect().await;
    client.send(format!("{GET}{GET}")).await;
    client.stream.shutdown().await.expect("half-closed");
    for _ in 0..2 {
        assert_eq!(slow.next().await, Event::Request);
        let_it_work(&gateway).await;
        slow.answer.notify_one();
        assert_eq!(client.answer(false).await.text(), "ok");
    }
    assert!(client.ended().await, "the connection stays open");
    gateway.all_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_half_closes_tls_gets_its_response() {
    let mut slow = Slow::start().await;
    let key = tls::certified(&["www.example.com"], &PKCS_ECDSA_P256_SHA256);
    let port = tls_port(to(&[slow.address]), tls::certificates(&[(None, &key)]));
    let gateway = Gateway::start(port).await;
    let config = tls::client_config(None);
    let client = tls::handshake(&gateway, Some("www.example.com"), config).await;
    let mut client = client.expect("a TLS session");
    client.send(GET).await;
    client.stream.shutdown().await.expect("half-closed");
    assert_eq!(slow.next().await, Event::Request);
    let other = tls::handshake(&gateway, Some("www.example.com"), tls::client_config(None)).await;
    let mut other = other.expect("a TLS session");
    for _ in 0..20 {
        other.send(GET.replace("/a", "/quick")).await;
        assert_eq!(other.answer(false).await.status(), 200);
    }
    slow.answer.notify_one();
    let answer = client.answer(false).await;
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.header("connection"), ["close"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_body_fails_immediately() {
    let mut slow = Slow::start().await;
    let gateway = Gateway::start(port(to(&[slow.address]))).await;
    for body in [
        "Content-Length: 9\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut client = gateway.connect().await;
        client
            .send(format!("POST /a HTTP/1.1\r\nHost: a\r\n{body}"))
            .await;
        client.stream.shutdown().await.expect("half-closed");
        assert!(client.ends_somehow().await);
        assert_eq!(
            slow.next().await,
            Event::End,
            "the backend got a complete request"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_resets_its_connection_ends_its_request() {
    let mut slow = Slow::start().await;
    let gateway = Gateway::start(port(to(&[slow.address]))).await;
    let mut client = gateway.connect().await;
    client.send(GET).await;
    assert_eq!(slow.next().await, Event::Request);
    let socket = socket2::SockRef::from(&client.stream);
    socket.set_linger(Some(Duration::ZERO)).expect("set");
    drop(client);
    assert_eq!(slow.next().await, Event::End);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_closed_connection_without_a_response_ends_at_its_deadline() {
    let mut slow = Slow::start().await;
    let mut registry = Registry::default();
    let options = ListenOptions {
        deadlines: Deadlines {
            half_closed: Duration::from_millis(200),
            ..Deadlines::default()
        },
        meters: Meters::register(&mut registry),
        ..ListenOptions::default()
    };
    let port = port(to(&[slow.address]));
    let gateway = Gateway::taking(port, Timeouts::default(), options).await;
    let mut client = gateway.connect().await;
    client.send(GET).await;
    assert_eq!(slow.next().await, Event::Request);
    client.stream.shutdown().await.expect("half-closed");
    assert_eq!(
        slow.next().await,
        Event::End,
        "the backend's connection ends"
    );
    gateway.all_gone().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
    assert!(text.contains("{reason=\"half_closed\"} 1"), "{text}");
}
