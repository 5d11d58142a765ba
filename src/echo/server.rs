//! The HTTP server of an echo backend.

use super::answer::{Answers, Identity, OwnPaths, TlsSession};
use super::grpc;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Upper bound of `?delay=`.
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// Time limit for receiving a request's headers.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);
/// Pause after a connection could not be accepted, for example because the file descriptor limit is reached.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How an echo backend answers.
#[derive(Clone, Debug, Default)]
pub struct EchoOptions {
    /// The port in answers. `None` for the bound port.
    pub http_port: Option<u16>,
    /// Whether it has paths of its own.
    pub own_paths: OwnPaths,
    /// The certificate that it presents in TLS. `None` for plain text.
    pub certificate: Option<Arc<CertifiedKey>>,
}

/// An echo backend that listens but does not accept yet. It speaks HTTP/1.1, and HTTP/2 with clients that
/// send its preface, or choose it in TLS.
pub struct Echo {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answers: Arc<Answers>,
}

impl Echo {
    /// Binds an address.
    ///
    /// # Errors
    ///
    /// Fails if the socket can't be bound.
    pub async fn bind(
        address: SocketAddr,
        identity: Identity,
        options: EchoOptions,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let http_port = match options.http_port {
            Some(port) => port,
            None => listener.local_addr()?.port(),
        };
        let tls = options.certificate.map(acceptor).transpose();
        Ok(Echo {
            listener,
            tls: tls.map_err(io::Error::other)?,
            answers: Arc::new(Answers {
                identity,
                http_port: http_port.to_string(),
                own_paths: options.own_paths,
            }),
        })
    }

    /// The bound address.
    ///
    /// # Errors
    ///
    /// Fails if the system can't return the address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves connections until the future is dropped, which closes them.
    pub async fn serve(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (tls, answers) = (self.tls.clone(), self.answers.clone());
                        connections.spawn(serve_connection(stream, tls, answers));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the echo backend can't accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

fn acceptor(certificate: Arc<CertifiedKey>) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let resolver = Arc::new(SingleCertAndKey::from(certificate));
    let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve_connection(stream: TcpStream, tls: Option<TlsAcceptor>, answers: Arc<Answers>) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return serve_stream(stream, None, answers).await;
    };
    match tokio::time::timeout(HEADER_DEADLINE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let session = TlsSession::of(stream.get_ref().1);
            serve_stream(stream, Some(session), answers).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a handshake with the echo backend failed"),
        Err(_) => tracing::debug!("a handshake with the echo backend took too long"),
    }
}

async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    tls: Option<TlsSession>,
    answers: Arc<Answers>,
) {
    let tls = Arc::new(tls);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, tls) = (answers.clone(), tls.clone());
        async move { Ok::<_, Infallible>(respond(request, &answers, tls.as_ref().as_ref()).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE);
    builder.http2().timer(TokioTimer::new());
    if let Err(error) = builder
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        tracing::debug!(%error, "a connection to the echo backend ended early");
    }
}

async fn respond(
    request: Request<Incoming>,
    answers: &Answers,
    tls: Option<&TlsSession>,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let (parts, body) = request.into_parts();
    // An unread body would prevent the reuse of the connection.
    drain(body).await;
    if let Some(delay) = answers.delay(&parts) {
        tokio::time::sleep(delay.min(LONGEST_DELAY)).await;
    }
    if grpc::is_call(&parts) {
        return grpc::answer(&answers.identity).map(UnsyncBoxBody::new);
    }
    let answer = answers.answer(&parts, tls);
    answer.map(|body| UnsyncBoxBody::new(Full::new(Bytes::from(body))))
}

async fn drain(mut body: Incoming) {
    use http_body_util::BodyExt as _;
    while let Some(Ok(_)) = body.frame().await {}
}
