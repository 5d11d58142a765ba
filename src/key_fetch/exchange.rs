//! One request for keys, and its response.
//!
//! In: an address and a URL. Out: the text of a JWKS, or why there is none. Redirects aren't followed, and nothing is read beyond
//! the maximum length of a JWKS. The caller limits the time.

use super::peer::FetchPeer;
use bytes::Bytes;
use gatefold_dataplane::backend_tls::BackendTls;
use gatefold_dataplane::filter::security::jwt::key_set::MAX_KEY_SET;
use gatefold_dataplane::key_fetch::{KeyFetch, PeerSecurity};
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Why there are no keys.
#[derive(Debug, Error)]
pub(super) enum ExchangeError {
    /// The connection can't be made.
    #[error("the server can't be reached: {0}")]
    Connect(io::Error),
    /// Connecting takes too long.
    #[error("the server can't be reached in time")]
    ConnectTimeout,
    /// TLS is required, but isn't possible.
    #[error("{0}")]
    Refused(String),
    /// The TLS handshake fails.
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    /// The server doesn't speak HTTP, or closes the connection.
    #[error("the server sent no valid response: {0}")]
    Http(#[from] hyper::Error),
    /// The URL can't be requested.
    #[error("the URL can't be requested: {0}")]
    Request(#[from] http::Error),
    /// The answer is a redirect.
    #[error(
        "the server answered {0}, and redirects aren't followed: use the URL that it redirects to"
    )]
    Redirect(StatusCode),
    /// The answer has no keys.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The answer is too long.
    #[error("the answer has more than {MAX_KEY_SET} bytes")]
    TooLong,
    /// The answer can't be read to its end.
    #[error("the answer ended early")]
    Incomplete,
}

/// Requests keys from a server.
///
/// # Errors
/// If there is no answer with keys.
pub(super) async fn request(fetch: &KeyFetch, peer: &FetchPeer) -> Result<Bytes, ExchangeError> {
    let tls = match &peer.security {
        PeerSecurity::Refused(why) => return Err(ExchangeError::Refused(why.to_string())),
        PeerSecurity::Plain => None,
        PeerSecurity::Tls(tls) => Some(&**tls),
    };
    let connected = timeout(fetch.limits.connect, connect(peer.address, tls)).await;
    let stream = connected.map_err(|_| ExchangeError::ConnectTimeout)??;
    exchange(&fetch.uri, stream).await
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(
    address: SocketAddr,
    tls: Option<&BackendTls>,
) -> Result<Box<dyn Stream>, ExchangeError> {
    let tcp = TcpStream::connect(address).await;
    let tcp = tcp.map_err(ExchangeError::Connect)?;
    let Some(tls) = tls else {
        return Ok(Box::new(tcp));
    };
    let name = tls.handshake.server_name.clone();
    let connector = TlsConnector::from(tls.config.clone());
    let secured = connector.connect(name, tcp).await;
    Ok(Box::new(secured.map_err(ExchangeError::Tls)?))
}

/// Sends the request, and reads the response.
async fn exchange(uri: &Uri, stream: Box<dyn Stream>) -> Result<Bytes, ExchangeError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let host = uri.authority().map_or("", |it| it.as_str());
    let request = Request::get(path)
        .header(HOST, host)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, concat!("gatefold/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(ExchangeError::Redirect(status));
        }
        if status != StatusCode::OK {
            return Err(ExchangeError::Status(status));
        }
        let body = Limited::new(response.into_body(), MAX_KEY_SET)
            .collect()
            .await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ExchangeError::TooLong
            } else {
                ExchangeError::Incomplete
            }
        })?;
        Ok(body.to_bytes())
    };
    // The connection works as long as it is polled. When it ends, the answer is complete, or fails.
    let driver = async {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    tokio::select! {
        answer = answer => answer,
        never = driver => match never {},
    }
}
