//! One request, and its response.
//!
//! In: an address and a request. Out: the status and the body, or why there are none. Redirects aren't followed, and nothing is
//! read beyond the maximum length. The caller limits the whole time.

use crate::peer::FetchPeer;
use bytes::Bytes;
use gatefold_dataplane::backend_tls::BackendTls;
use gatefold_dataplane::issuer_fetch::PeerSecurity;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ExchangeError {
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
    /// The answer is too long.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// The answer can't be read to its end.
    #[error("the answer ended early")]
    Incomplete,
}

impl ExchangeError {
    /// Whether the server can't have read the request.
    pub(crate) fn is_before_request(&self) -> bool {
        match self {
            ExchangeError::Connect(_)
            | ExchangeError::ConnectTimeout
            | ExchangeError::Refused(_)
            | ExchangeError::Tls(_) => true,
            ExchangeError::Http(_)
            | ExchangeError::Request(_)
            | ExchangeError::Redirect(_)
            | ExchangeError::TooLong(_)
            | ExchangeError::Incomplete => false,
        }
    }
}

/// An answer that is no redirect.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Without the body, which may contain tokens.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// A request.
pub(crate) struct FetchRequest<'r> {
    pub(crate) uri: &'r Uri,
    /// The time limit for connecting, including TLS.
    pub(crate) connect: Duration,
    /// The maximum length of the answer's body.
    pub(crate) max_length: usize,
    pub(crate) content: Content<'r>,
}

/// The content of a request, which decides on its method.
pub(crate) enum Content<'r> {
    /// A GET.
    Nothing { accept: &'static str },
    /// A POST with a form.
    Form {
        authorization: Option<&'r HeaderValue>,
        fields: &'r str,
    },
}

/// Sends a request to a server.
///
/// # Errors
/// If there is no answer, or it is a redirect.
pub(crate) async fn send(
    request: &FetchRequest<'_>,
    peer: &FetchPeer,
) -> Result<Answer, ExchangeError> {
    let tls = match &peer.security {
        PeerSecurity::Refused(why) => return Err(ExchangeError::Refused(why.to_string())),
        PeerSecurity::Plain => None,
        PeerSecurity::Tls(tls) => Some(&**tls),
    };
    let connected = timeout(request.connect, connect(peer.address, tls)).await;
    let stream = connected.map_err(|_| ExchangeError::ConnectTimeout)??;
    exchange(request, stream).await
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

/// Writes the request, and reads the response.
async fn exchange(
    request: &FetchRequest<'_>,
    stream: Box<dyn Stream>,
) -> Result<Answer, ExchangeError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let message = message(request)?;
    let answer = async {
        let response = sender.send_request(message).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(ExchangeError::Redirect(status));
        }
        let body = Limited::new(response.into_body(), request.max_length)
            .collect()
            .await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ExchangeError::TooLong(request.max_length)
            } else {
                ExchangeError::Incomplete
            }
        })?;
        let body = body.to_bytes();
        Ok(Answer { status, body })
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

/// Returns the message of a request.
fn message(request: &FetchRequest<'_>) -> http::Result<Request<Full<Bytes>>> {
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let host = request.uri.authority().map_or("", |it| it.as_str());
    let message = Request::builder()
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("gatefold/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close");
    match request.content {
        Content::Nothing { accept } => message.header(ACCEPT, accept).body(Full::default()),
        Content::Form {
            authorization,
            fields,
        } => {
            let message = message
                .method(Method::POST)
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            let message = match authorization {
                Some(value) => message.header(AUTHORIZATION, value),
                None => message,
            };
            message.body(Full::from(fields.to_owned()))
        }
    }
}
