//! Bodies of requests that are answered without a backend.
//!
//! The next request of an HTTP/1.1 connection begins where the body ends, so the connection can go on only if the body is read.
//! Pingora closes it after every answer that comes before the end of the body.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use pingora_proxy::Session;
use std::time::Duration;

/// How long a small body over HTTP/2 is waited for after its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest body that is read for the sake of the connection. What is larger costs more than a new connection.
const LARGEST: usize = 64 * 1024;

/// Keeps the connection after an answer if the body of the request is small, or there already. Otherwise it is closed, and
/// `listen` drops what the client still sends.
pub(super) async fn keep(session: &mut Session) {
    if session.as_http1().is_none() || session.is_body_done() {
        return;
    }
    let headers = &session.req_header().headers;
    if headers.contains_key(EXPECT) {
        // Whether such a client sends its body after a final answer isn't certain (RFC 9110, section 10.1.1).
        return;
    }
    match length(headers) {
        // Read after the answer, within the time that the hooks have set.
        Some(..=LARGEST) => session.set_close_on_response_before_downstream_finish(false),
        Some(_) => {}
        None => read_what_is_there(session).await,
    }
}

/// Reads a small body over HTTP/2 after its answer. A stream whose body isn't read is reset, which is in order (RFC 9113,
/// section 8.1), but some clients lose the answer with it (curl 7.88).
pub(super) async fn drop_small(session: &mut Session) {
    if session.as_http2().is_none() || session.is_body_done() {
        return;
    }
    if length(&session.req_header().headers).is_some_and(|length| length > LARGEST) {
        return;
    }
    let _ = tokio::time::timeout(PATIENCE, read_at_most_largest(session)).await;
}

fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read_at_most_largest(session: &mut Session) {
    let mut left = LARGEST;
    while let Ok(Some(piece)) = session.read_request_body().await {
        match left.checked_sub(piece.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// Reads a body of unknown length as far as it has come.
async fn read_what_is_there(session: &mut Session) {
    let mut left = LARGEST;
    // Each wait ends at once if nothing has come.
    while let Ok(Ok(Some(piece))) =
        tokio::time::timeout(Duration::ZERO, session.read_request_body()).await
    {
        match left.checked_sub(piece.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}
