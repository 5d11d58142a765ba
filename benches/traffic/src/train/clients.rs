//! The clients of the training: each sends a fixed number of requests.

use super::manifests::HOST;
use super::requests::CheckedRequest;
use crate::support::client::Client;
use crate::support::grpc::GrpcClient;
use crate::support::load::connection::{ClientKind, LoadConnection, LoadTarget};
use crate::support::tls::Authority;
use crate::support::websocket::WebSocket;
use anyhow::{Context as _, bail, ensure};
use rustls::version::{TLS12, TLS13};
use std::future::Future;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The time limit of a phase. It only ends a training that hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The number of clients, and of the requests of each.
#[derive(Clone, Copy)]
pub struct Work {
    pub clients: usize,
    pub requests: usize,
}

/// Clients of a kind send requests, each in order and beginning at another one. Returns the number of requests.
///
/// # Errors
/// If an answer isn't the expected one.
pub fn send(
    kind: ClientKind,
    target: &LoadTarget,
    requests: &Arc<[CheckedRequest]>,
    work: Work,
) -> anyhow::Result<usize> {
    complete(async {
        let clients = (0..work.clients).map(|client| {
            let (target, requests) = (target.clone(), requests.clone());
            tokio::spawn(async move {
                let first = client * requests.len() / work.clients;
                let requests = requests.iter().cycle().skip(first);
                let mut kept = None;
                for request in requests.take(work.requests) {
                    let mut connection = match kept.take() {
                        Some(connection) => connection,
                        None => LoadConnection::open(kind, &target).await?,
                    };
                    if request.run(&mut connection).await? && !kind.is_fresh() {
                        kept = Some(connection);
                    }
                }
                anyhow::Ok(())
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await?.with_context(|| format!("{kind:?}"))?;
        }
        Ok(work.clients * work.requests)
    })
}

/// Clients send concurrent streams on few connections of HTTP/2. Returns the number of requests.
///
/// # Errors
/// If an answer isn't the expected one.
pub fn multiplex(
    kind: ClientKind,
    target: &LoadTarget,
    requests: &Arc<[CheckedRequest]>,
    connections: usize,
    streams: Work,
) -> anyhow::Result<usize> {
    complete(async {
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let connection = LoadConnection::open(kind, target).await?;
            for _ in 0..streams.clients {
                let mut stream = connection.share().context("a kind with HTTP/2")?;
                let requests = requests.clone();
                tasks.push(tokio::spawn(async move {
                    for request in requests.iter().cycle().take(streams.requests) {
                        request.run(&mut stream).await?;
                    }
                    anyhow::Ok(())
                }));
            }
        }
        for task in tasks {
            task.await?.with_context(|| format!("{kind:?}"))?;
        }
        Ok(connections * streams.clients * streams.requests)
    })
}

/// Runs clients in this thread.
fn complete<T>(clients: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let limited = tokio::time::timeout(PATIENCE, clients).await;
        limited.context("the clients of a phase hang")?
    })
}

/// Full and resumed handshakes of TLS 1.3 and 1.2, each with one request. Returns the number of requests.
///
/// # Errors
/// If a handshake fails, or no session is resumed.
pub fn resume(
    target: &LoadTarget,
    authority: &Authority,
    sessions: usize,
) -> anyhow::Result<usize> {
    for version in [&TLS13, &TLS12] {
        let config = authority.trust_resuming(version);
        let mut resumed = 0;
        for _ in 0..sessions {
            let (mut client, _) = Authority::connect_with(config.clone(), target.tls, HOST)?;
            let answer = client.get(HOST, "/", &[])?;
            ensure!(answer.status == 200, "status {} over TLS", answer.status);
            resumed += usize::from(client.is_resumed());
        }
        ensure!(resumed > 0, "no session was resumed");
    }
    Ok(2 * sessions)
}

/// Opens WebSockets, and exchanges messages on each. Returns the number of messages.
///
/// # Errors
/// If one isn't opened, or a message is lost.
pub fn chat(target: &LoadTarget, sockets: usize, messages: usize) -> anyhow::Result<usize> {
    for number in 0..sockets {
        let mut chat = WebSocket::open(target.plain, HOST, "/chat")?;
        ensure!(
            chat.receive()? == "welcome",
            "no welcome on WebSocket {number}"
        );
        for message in 0..messages {
            let text = format!("message {message}");
            chat.send(&text)?;
            ensure!(chat.receive()? == text, "another message than {text:?}");
        }
    }
    Ok(sockets * messages)
}

/// Unary, bidirectional and failing calls of gRPC. Returns the number of calls.
///
/// # Errors
/// If a call ends with another status.
pub fn call(client: &mut GrpcClient, rounds: usize) -> anyhow::Result<usize> {
    const AUTHORITY: &str = "grpc.example.com";
    // Each method, its message, and the gRPC status that it ends with.
    let calls = [
        ("/shop.Cart/Add", "a short message", 0),
        ("/shop.Cart/Add", &*"a long message ".repeat(1_000), 0),
        ("/shop.Cart/Fail", "", 8),
        ("/shop.Cart/Refuse", "", 8),
        ("/shop.Missing/Add", "", 14),
        ("/shop.Unknown/Add", "", 12),
    ];
    for _ in 0..rounds {
        for (path, message, status) in calls {
            let answer = client.call(AUTHORITY, path, message);
            ensure!(answer.grpc_status() == Some(status), "{path}: {answer:?}");
        }
        let mut watch = client.open(AUTHORITY, "/shop.Cart/Watch");
        for message in 0..30 {
            watch.exchange(&format!("message {message}"));
        }
        watch.end();
    }
    Ok(rounds * (calls.len() + 1))
}

/// Clients that disappear in the middle of a request or of an answer. Returns their number.
///
/// # Errors
/// If a connection is refused.
pub fn disappear(target: &LoadTarget, rounds: usize) -> anyhow::Result<usize> {
    let head = format!("GET /scripted HTTP/1.1\r\nHost: {HOST}\r\n");
    let unfinished = [
        head[..20].to_owned(),
        head.clone(),
        format!("{head}X-Script: 1000000\r\n\r\n"),
        format!("{head}Content-Length: 100000\r\n\r\nfirst"),
    ];
    for _ in 0..rounds {
        for text in &unfinished {
            let mut stream = TcpStream::connect(target.plain)?;
            stream.write_all(text.as_bytes())?;
        }
    }
    Ok(rounds * unfinished.len())
}

/// Requests with malformed framing, which close the connection. Returns their number.
///
/// # Errors
/// If one isn't refused.
pub fn misbehave(target: &LoadTarget, rounds: usize) -> anyhow::Result<usize> {
    let long = "x".repeat(100_000);
    let malformed = [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: x\r\n\r\n"),
            400,
        ),
        (format!("GET /{long} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Long: {long}\r\n\r\n"),
            431,
        ),
    ];
    for _ in 0..rounds {
        for (text, status) in &malformed {
            let mut client = Client::connect(target.plain)?;
            // gatefold may close the connection before it has read everything.
            let _ = client.begin(text.as_bytes());
            match client.answer() {
                Ok(answer) if answer.status == *status => {}
                Err(_) if text.len() > 10_000 => {}
                other => bail!("{other:?} instead of status {status}"),
            }
        }
    }
    Ok(rounds * malformed.len())
}

/// Reads everything that the admin API shows. Returns the number of requests.
///
/// # Errors
/// If an answer isn't 200.
pub fn administrate(admin: SocketAddr, rounds: usize) -> anyhow::Result<usize> {
    let paths = [
        "/livez",
        "/readyz",
        "/metrics",
        "/status",
        "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/features",
        "/apis/gateway.networking.k8s.io/v1/gateways",
    ];
    let mut client = Client::connect(admin)?;
    for _ in 0..rounds {
        for path in paths {
            let answer = client.get("localhost", path, &[])?;
            ensure!(answer.status == 200, "{path}: status {}", answer.status);
        }
    }
    Ok(rounds * paths.len())
}
