//! A client's connection, of any kind.

use super::http1::Http1;
use super::http2::Http2;
use super::trouble::Trouble;
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
pub enum Kind {
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
    /// HTTP/2 in TLS, agreed on by ALPN, one connection for all requests.
    TlsHttp2,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::Kept,
        Kind::Fresh,
        Kind::Http2,
        Kind::TlsKept,
        Kind::TlsFresh,
        Kind::TlsHttp2,
    ];

    pub fn is_tls(self) -> bool {
        matches!(self, Kind::TlsKept | Kind::TlsFresh | Kind::TlsHttp2)
    }

    pub fn is_http2(self) -> bool {
        matches!(self, Kind::Http2 | Kind::TlsHttp2)
    }

    /// Whether a connection serves one request only.
    pub fn is_fresh(self) -> bool {
        matches!(self, Kind::Fresh | Kind::TlsFresh)
    }
}

/// Where clients go to.
#[derive(Clone)]
pub struct Target {
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    pub host: String,
    /// Whom clients trust; which protocols they offer is set for each kind.
    pub trust: Option<Arc<ClientConfig>>,
}

/// An open connection.
pub struct Connection {
    wire: Wire,
    /// What the server showed in the handshake, as DER; empty without TLS.
    pub certificate: Vec<u8>,
}

enum Wire {
    Http1(Http1),
    Http2(Http2),
}

impl Connection {
    /// Connects, as far as a request can be sent.
    ///
    /// # Errors
    /// What hinders it.
    pub async fn open(kind: Kind, target: &Target) -> Result<Self, Trouble> {
        let socket = if kind.is_tls() {
            target.tls
        } else {
            target.plain
        };
        let tcp = TcpStream::connect(socket).await.map_err(Trouble::Refused)?;
        tcp.set_nodelay(true).map_err(Trouble::Refused)?;
        if !kind.is_tls() {
            let wire = match kind.is_http2() {
                true => Wire::Http2(Http2::new(tcp, "http").await?),
                false => Wire::Http1(Http1::new(tcp)),
            };
            return Ok(Connection {
                wire,
                certificate: Vec::new(),
            });
        }
        let tls = shake_hands(kind, target, tcp)
            .await
            .map_err(Trouble::Handshake)?;
        let served = tls.get_ref().1.peer_certificates();
        let certificate = served.and_then(|chain| chain.first());
        let certificate = certificate.map(|it| it.to_vec()).unwrap_or_default();
        let wire = match kind.is_http2() {
            true => Wire::Http2(Http2::new(tls, "https").await?),
            false => Wire::Http1(Http1::new(tls)),
        };
        Ok(Connection { wire, certificate })
    }

    /// Sends a `GET` with `X-Request: name` and reads the whole answer.
    ///
    /// # Errors
    /// What went wrong on the way; any status is an answer.
    pub async fn get(&mut self, host: &str, path: &str, name: &str) -> Result<Response, Trouble> {
        match &mut self.wire {
            Wire::Http1(wire) => wire.get(host, path, name).await,
            Wire::Http2(wire) => wire.get(host, path, name).await,
        }
    }

    /// Whether the server has said with this answer that it ends the connection.
    pub fn ends_with(&self, answer: &Response) -> bool {
        match &self.wire {
            Wire::Http1(_) => answer.header("connection") == Some("close"),
            Wire::Http2(wire) => wire.is_over(),
        }
    }

    /// Whether the server has ended the connection while nothing was asked.
    pub fn is_over(&mut self) -> bool {
        match &mut self.wire {
            Wire::Http1(wire) => wire.is_over(),
            Wire::Http2(wire) => wire.is_over(),
        }
    }
}

async fn shake_hands(
    kind: Kind,
    target: &Target,
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
        other => Err(io::Error::other(format!("ALPN gave {other:?}"))),
    }
}
