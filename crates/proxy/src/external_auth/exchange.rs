//! The exchange of a question and its answer on a connection.

use crate::upstream::side_request::{self, PeerTls};
use ::http::{HeaderMap, HeaderName, StatusCode};
use bytes::{Bytes, BytesMut};
use gatefold_dataplane::backend::HttpVersion;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use std::time::Duration;

/// Maximum length of an answer's body. Clients get nothing of a longer one.
const LARGEST_BODY: usize = 64 * 1024;
/// Time limit for the names in the certificate of a server. The time limit of the question ends before, unless it is longer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Says whether a body is cut off, as Envoy does. It never is.
pub(super) const PARTIAL_BODY: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// A question for a server.
pub(super) struct Question {
    /// The header, for any version of HTTP, with the length of the body.
    pub header: RequestHeader,
    /// The body. Empty if there is none.
    pub body: Bytes,
}

/// The answer of a server.
pub(super) struct AuthAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body. Empty if it is too long or broken.
    pub body: Bytes,
    /// Whether the body is longer than what is read. The trailers are unknown then.
    pub is_too_long: bool,
    /// The trailers. `None` if there are none, or in HTTP/1.1.
    pub trailers: Option<HeaderMap>,
}

impl AuthAnswer {
    /// Returns the denial that the header of an answer is by itself, even if its body never arrives: a client must not pass because its
    /// denial is cut off. `None` for a permission, and for a server that has failed.
    pub(super) fn denial(response: &ResponseHeader) -> Option<Self> {
        let status = response.status;
        let is_other =
            status.is_informational() || status == StatusCode::OK || status.is_server_error();
        (!is_other).then(|| AuthAnswer {
            status,
            headers: response.headers.clone(),
            body: Bytes::new(),
            is_too_long: false,
            trailers: None,
        })
    }
}

impl Question {
    /// Returns the header in the version of an endpoint.
    ///
    /// # Errors
    /// If it can't be written in this version.
    pub(super) fn header_for(&self, version: HttpVersion, tls: bool) -> Result<RequestHeader> {
        side_request::header(&self.header, version, tls, self.body.is_empty())
    }
}

/// Sends a question on a connection, and reads the answer. Returns whether the answer was read to its end.
///
/// # Errors
/// If there is no complete answer.
pub(super) async fn exchange(
    session: &mut HttpSession,
    (header, body): (RequestHeader, Bytes),
    peer: &HttpPeer,
    tls: Option<&PeerTls>,
) -> Result<(AuthAnswer, bool)> {
    if let Some(tls) = tls {
        tls.check(session, HANDSHAKE).await?;
    }
    side_request::begin(session, peer, header).await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    side_request::read_final_header(session).await?;
    let Some(response) = session.response_header() else {
        return Err(Error::new_up(ErrorType::ReadError));
    };
    let (status, headers) = (response.status, response.headers.clone());
    let (mut body, mut is_too_long) = (BytesMut::new(), false);
    while let Some(bytes) = session.read_response_body().await? {
        if body.len() + bytes.len() <= LARGEST_BODY {
            body.extend_from_slice(&bytes);
            continue;
        }
        body.clear();
        is_too_long = true;
        break;
    }
    let trailers = match session {
        HttpSession::H2(stream) if !is_too_long => stream.read_trailers().await?,
        HttpSession::H2(_) | HttpSession::H1(_) | HttpSession::Custom(_) => None,
    };
    let answer = AuthAnswer {
        status,
        headers,
        body: body.freeze(),
        is_too_long,
        trailers,
    };
    Ok((answer, !is_too_long))
}
