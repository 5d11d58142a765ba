//! Bodies of requests that are answered without a backend.
//!
//! The next request of an HTTP/1.1 connection begins after the body, so the connection can be reused only if the body is read.
//! Pingora closes it after every answer that is sent before the end of the body.

use crate::request::fields::content_length;
use http::header::EXPECT;
use pingora_proxy::Session;
use std::time::Duration;

/// Maximum wait for a small HTTP/2 body after its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum size of a body that is read to keep the connection. Reading more would cost more than a new connection.
const LARGEST: u64 = 64 * 1024;

/// Keeps the connection after an answer if the body is small or has already arrived. Otherwise the connection is closed, and
/// `listen` discards what the client still sends.
pub(crate) async fn keep(session: &mut Session) {
    if session.as_http1().is_none() || session.is_body_done() {
        return;
    }
    let headers = &session.req_header().headers;
    if headers.contains_key(EXPECT) {
        // It is unknown whether such a client sends its body after a final answer (RFC 9110, section 10.1.1).
        return;
    }
    match content_length(headers) {
        // Read after the answer, within the timeouts set by the hooks.
        Some(..=LARGEST) => session.set_close_on_response_before_downstream_finish(false),
        Some(_) => {}
        None => read_what_is_there(session).await,
    }
}

/// Reads a small HTTP/2 body after its answer. A stream whose body isn't read is reset, which is correct (RFC 9113, section 8.1),
/// but makes some clients lose the answer (curl 7.88).
pub(crate) async fn drop_small(session: &mut Session) {
    if session.as_http2().is_none() || session.is_body_done() {
        return;
    }
    if content_length(&session.req_header().headers).is_some_and(|length| length > LARGEST) {
        return;
    }
    let _ = tokio::time::timeout(PATIENCE, read_at_most_largest(session)).await;
}

async fn read_at_most_largest(session: &mut Session) {
    let mut left = LARGEST;
    while let Ok(Some(piece)) = session.read_request_body().await {
        match left.checked_sub(piece.len() as u64) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// Reads as much of a body of unknown length as has arrived.
async fn read_what_is_there(session: &mut Session) {
    let mut left = LARGEST;
    // Each wait ends immediately if nothing has arrived.
    while let Ok(Ok(Some(piece))) =
        tokio::time::timeout(Duration::ZERO, session.read_request_body()).await
    {
        match left.checked_sub(piece.len() as u64) {
            Some(less) => left = less,
            None => return,
        }
    }
}
