//! Requests whose client waits for `100 Continue` before it sends the body (RFC 9110, section 10.1.1).
//!
//! An HTTP/1.1 backend answers that itself, and Pingora passes its 100 on. Of HTTP/2 backends Pingora 0.9.1 doesn't read
//! informational responses, so they aren't asked, and the client gets its 100 from here.

use super::context::RequestContext;
use gatefold_dataplane::backend::HttpVersion;
use http::header::EXPECT;
use pingora_core::{Error, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// Whether the expectation isn't the backend's to meet.
pub(super) fn is_ours(request: &RequestHeader, context: &RequestContext) -> bool {
    let endpoints = context.endpoints();
    let asks_none = endpoints.is_some_and(|endpoints| endpoints.version != HttpVersion::Http1);
    asks_none && request.headers.contains_key(EXPECT)
}

/// Meets it. HTTP/2 clients get no informational responses from Pingora 0.9.1.
pub(super) async fn answer(session: &mut Session, request: &mut RequestHeader) -> Result<()> {
    request.remove_header(&EXPECT);
    if session.is_body_done() {
        return Ok(());
    }
    let sent = session.write_continue_response().await;
    sent.map_err(Error::into_down)
}
