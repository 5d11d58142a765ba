//! A connection of any kind of client.

use super::http1::Http1;
use super::http2::Http2;
use super::request::{LoadBody, LoadRequest};
use super::request_error::RequestError;
use crate::support::client::Response;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientKind {
    /// HTTP/1.1, one connection for all requests.
    Kept,
    /// HTTP/1.1, a connection for each request.
    Fresh,
    /// HTTP/2 by prior knowledge, one connection for all requests.
    Http2,
    /// HTTP/1.1 in TLS, one connection for all requests.
    TlsKept,
    /// HTTP/1.1 in TLS, a connection and a full handshake for each request.
    TlsFresh,
    /// HTTP/2 in TLS with ALPN, one connection for all requests.
    TlsHttp2,
}

impl ClientKind {
    pub const ALL: [ClientKind; 6] = [
        ClientKind::Kept,
        ClientKind::Fresh,
        ClientKind::Http2,
        ClientKind::TlsKept,
        ClientKind::TlsFresh,
        ClientKind::TlsHttp2,
    ];

    pub fn is_tls(self) -> bool {
        matches!(
            self,
            ClientKind::TlsKept | ClientKind::TlsFresh | ClientKind::TlsHttp2
        )
    }

    pub fn is_http2(self) -> bool {
        matches!(self, ClientKind::Http2 | ClientKind::TlsHttp2)
    }

    /// Whether a connection serves one request only.
    pub fn is_fresh(self) -> bool {
        matches!(self, ClientKind::Fresh | ClientKind::TlsFresh)
    }
}

/// The addresses and the host of the server.
#[derive(Clone)]
pub struct LoadTarget {
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    pub host: String,
    /// The TLS configuration of clients. The offered protocols depend on the kind of client.
    pub trust: Option<Arc<ClientConfig>>,
}

/// An open connection.
pub struct LoadConnection {
    wire: Wire,
    /// The server's certificate as DER; empty without TLS.
    pub certificate: Vec<u8>,
}

enum Wire {
    Http1(Http1),
    Http2(Http2),
}

impl LoadConnection {
    /// Opens a connection, including the TLS handshake.
    ///
    /// # Errors
    /// If connecting or the handshake fails.
    pub async fn open(kind: ClientKind, target: &LoadTarget) -> Result<Self, RequestError> {
        let socket = if kind.is_tls() {
            target.tls
        } else {
            target.plain
        };
        let tcp = TcpStream::connect(socket)
            .await
            .map_err(RequestError::Refused)?;
        tcp.set_nodelay(true).map_err(RequestError::Refused)?;
        if !kind.is_tls() {
            let wire = if kind.is_http2() {
                Wire::Http2(Http2::new(tcp, "http").await?)
            } else {
                Wire::Http1(Http1::new(tcp))
            };
            return Ok(LoadConnection {
                wire,
                certificate: Vec::new(),
            });
        }
        let tls = handshake(kind, target, tcp)
            .await
            .map_err(RequestError::Handshake)?;
        let served = tls.get_ref().1.peer_certificates();
        let certificate = served.and_then(|chain| chain.first());
        let certificate = certificate.map(|it| it.to_vec()).unwrap_or_default();
        let wire = if kind.is_http2() {
            Wire::Http2(Http2::new(tls, "https").await?)
        } else {
            Wire::Http1(Http1::new(tls))
        };
        Ok(LoadConnection { wire, certificate })
    }

    /// Sends a `GET` with `X-Request: name` and reads the complete answer.
    ///
    /// # Errors
    /// If there is no complete answer. Any status is an answer.
    pub async fn get(
        &mut self,
        host: &str,
        path: &str,
        name: &str,
    ) -> Result<Response, RequestError> {
        self.send(LoadRequest {
            method: "GET",
            host,
            path,
            headers: &[("X-Request", name)],
            body: LoadBody::None,
        })
        .await
    }

    /// Sends a request and reads the complete answer.
    ///
    /// # Errors
    /// If there is no complete answer. Any status is an answer.
    pub async fn send(&mut self, request: LoadRequest<'_>) -> Result<Response, RequestError> {
        match &mut self.wire {
            Wire::Http1(wire) => wire.send(request).await,
            Wire::Http2(wire) => wire.send(request).await,
        }
    }

    /// Another handle of the same HTTP/2 connection, for concurrent streams. `None` for HTTP/1.1.
    #[allow(dead_code, reason = "only the training of profiles uses it")]
    pub fn share(&self) -> Option<Self> {
        match &self.wire {
            Wire::Http1(_) => None,
            Wire::Http2(wire) => Some(LoadConnection {
                wire: Wire::Http2(wire.clone()),
                certificate: self.certificate.clone(),
            }),
        }
    }

    /// Whether the server announced with this answer that it closes the connection.
    pub fn ends_with(&self, answer: &Response) -> bool {
        match &self.wire {
            Wire::Http1(_) => answer.header("connection") == Some("close"),
            Wire::Http2(wire) => wire.is_over(),
        }
    }

    /// Whether the server has closed the idle connection.
    pub fn is_over(&mut self) -> bool {
        match &mut self.wire {
            Wire::Http1(wire) => wire.is_over(),
            Wire::Http2(wire) => wire.is_over(),
        }
    }
}

async fn handshake(
    kind: ClientKind,
    target: &LoadTarget,
    tcp: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let trust = target.trust.as_ref();
    let mut config = ClientConfig::clone(trust.ok_or_else(|| io::Error::other("no authority"))?);
    let protocol: &[u8] = if kind.is_http2() { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
    let tls = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    match tls.get_ref().1.alpn_protocol() {
        Some(agreed) if agreed == protocol => Ok(tls),
        other => Err(io::Error::other(format!("ALPN selected {other:?}"))),
    }
}
