//! The HTTP server of an echo backend.

use super::answer::{Identity, answer, requested_delay};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Upper bound of `?delay=`.
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// Time limit for receiving a request's headers.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);
/// Pause after a connection could not be accepted, for example because the file descriptor limit is reached.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An echo backend that listens but does not accept yet. It speaks HTTP/1.1, and HTTP/2 with clients that
/// send its preface.
#[derive(Debug)]
pub struct Echo {
    listener: TcpListener,
    identity: Arc<Identity>,
    http_port: Arc<str>,
}

impl Echo {
    /// Binds an address. `http_port` is the port in answers; `None` for the bound port.
    ///
    /// # Errors
    ///
    /// Fails if the socket can't be bound.
    pub async fn bind(
        address: SocketAddr,
        identity: Identity,
        http_port: Option<u16>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let http_port = match http_port {
            Some(port) => port,
            None => listener.local_addr()?.port(),
        };
        Ok(Echo {
            listener,
            identity: Arc::new(identity),
            http_port: http_port.to_string().into(),
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
                        connections.spawn(serve_connection(
                            stream,
                            self.identity.clone(),
                            self.http_port.clone(),
                        ));
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

async fn serve_connection(stream: TcpStream, identity: Arc<Identity>, http_port: Arc<str>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let (identity, http_port) = (identity.clone(), http_port.clone());
        async move { Ok::<_, Infallible>(respond(request, &identity, &http_port).await) }
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
    identity: &Identity,
    http_port: &str,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    // An unread body would prevent the reuse of the connection.
    drain(body).await;
    if let Some(delay) = requested_delay(&parts) {
        tokio::time::sleep(delay.min(LONGEST_DELAY)).await;
    }
    answer(&parts, identity, http_port).map(|body| Full::new(Bytes::from(body)))
}

async fn drain(mut body: Incoming) {
    use http_body_util::BodyExt as _;
    while let Some(Ok(_)) = body.frame().await {}
}
