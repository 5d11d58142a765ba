//! Clients that cost little, so that the measured server is the slower part: each sends the same bytes again and again, and
//! checks only the status and the length of an answer.
//!
//! All connections over TLS use TLS 1.3 with the same cipher and key exchange, which the servers would choose differently, and
//! never resume a session.

mod http1;
mod http2;

use crate::process::MeasuredServer;
use crate::subjects::HOST;
use crate::support::load::ClientKind;
use crate::support::tls::Authority;
use anyhow::{Context as _, bail};
use http1::Http1Connection;
use http2::Http2Connection;
use rustls::client::Resumption;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Any stream of bytes.
trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// The TLS settings of clients.
#[derive(Clone)]
pub struct ClientTls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl ClientTls {
    /// Creates the settings of clients that trust this authority.
    ///
    /// # Errors
    /// If rustls refuses the authority.
    pub fn new(authority: &Authority) -> anyhow::Result<Self> {
        let mut provider = default_provider();
        provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
        provider.kx_groups = vec![kx_group::X25519];
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let offering = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Ok(ClientTls {
            http1: offering(b"http/1.1"),
            http2: offering(b"h2"),
        })
    }
}

/// The settings of all clients.
#[derive(Clone)]
pub struct PeerClients {
    pub tls: ClientTls,
    /// The token that each request carries. Only clients of HTTP/1.1 send it.
    pub token: Option<Arc<str>>,
}

/// An open connection.
pub enum PeerConnection {
    Http1(Http1Connection),
    Http2(Http2Connection),
}

impl PeerConnection {
    /// Connects to a server, including the TLS handshake.
    ///
    /// # Errors
    /// If connecting or the handshake fails.
    pub async fn open(
        kind: ClientKind,
        server: &MeasuredServer,
        clients: &PeerClients,
    ) -> anyhow::Result<Self> {
        let socket = match kind {
            ClientKind::Kept | ClientKind::Fresh => server.target.plain,
            ClientKind::Http2 => server.http2,
            ClientKind::TlsKept | ClientKind::TlsFresh | ClientKind::TlsHttp2 => server.target.tls,
        };
        let tcp = TcpStream::connect(socket).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn ByteStream> = if kind.is_tls() {
            Box::new(handshake(kind, &clients.tls, tcp).await?)
        } else {
            Box::new(tcp)
        };
        if !kind.is_http2() {
            let token = clients.token.as_deref();
            return Ok(PeerConnection::Http1(Http1Connection::new(stream, token)));
        }
        let scheme = if kind.is_tls() { "https" } else { "http" };
        Ok(PeerConnection::Http2(
            Http2Connection::start(stream, scheme).await?,
        ))
    }

    /// Sends one request and reads the answer, which must have status 200 and the backend's body.
    ///
    /// # Errors
    /// If the connection ends, or the answer is a different one.
    pub async fn ask(&mut self) -> anyhow::Result<()> {
        match self {
            PeerConnection::Http1(connection) => connection.ask().await,
            PeerConnection::Http2(connection) => connection.ask().await,
        }
    }
}

async fn handshake(
    kind: ClientKind,
    tls: &ClientTls,
    tcp: TcpStream,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let config = if kind.is_http2() {
        &tls.http2
    } else {
        &tls.http1
    };
    let stream = TlsConnector::from(config.clone())
        .connect(ServerName::try_from(HOST)?, tcp)
        .await
        .context("the TLS handshake failed")?;
    let agreed = stream.get_ref().1.alpn_protocol();
    if agreed.is_none() || agreed != config.alpn_protocols.first().map(Vec::as_slice) {
        bail!("ALPN selected {agreed:?}");
    }
    Ok(stream)
}
