//! A backend that speaks HTTP/2 without TLS, in several ways.

use crate::tests::support::to_target;
use bytes::Bytes;
use gatefold_dataplane::Action;
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::filter::Filters;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Response};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How a backend responds to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Echoes each piece as it arrives, and sends trailers at the end.
    Echo,
    /// Like `Echo`, but closes the connection after the request.
    EchoAndGoAway,
    /// Refuses the first stream of a connection without reading it.
    RefuseFirst,
    /// Responds to `/large` with 4 MiB, as fast as the client reads.
    Download,
    /// Never responds.
    Silent,
    /// Sends a header with an empty body, and never ends the stream.
    Endless,
}

const LARGE: usize = 4 * 1024 * 1024;

pub(crate) struct Http2Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    pub(crate) seen: Arc<Mutex<Vec<http::request::Parts>>>,
    /// The reasons for which streams were reset.
    pub(crate) resets: mpsc::UnboundedReceiver<Reason>,
}

impl Http2Upstream {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (sender, resets) = mpsc::unbounded_channel();
        let upstream = Http2Upstream {
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

    pub(crate) fn action(&self) -> Action {
        let endpoints = EndpointSet::new(HttpVersion::Http2, &[self.address], 0);
        let endpoints = Arc::new(endpoints.expect("an address"));
        to_target(BackendTarget::Endpoints(endpoints), Filters::default())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn last(&self) -> http::request::Parts {
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

/// Sends bytes as the window allows.
pub(crate) async fn send(
    sender: &mut SendStream<Bytes>,
    mut bytes: Bytes,
) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        sender.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|context| sender.poll_capacity(context)).await;
        let room = room.unwrap_or(Err(Reason::CANCEL.into()))?;
        sender.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(())
}
