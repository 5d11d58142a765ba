//! Requests whose client waits for `100 Continue` before it sends the body (RFC 9110, section 10.1.1).
//!
//! HTTP/1.1 backends send it themselves, and Pingora forwards it. Pingora 0.9.1 doesn't read informational responses of HTTP/2
//! backends, so they don't get the expectation, and this module answers the client.

use crate::context::RequestContext;
use gatefold_dataplane::backend::HttpVersion;
use http::header::EXPECT;
use pingora_core::{Error, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// Whether we have to answer the expectation, not the backend.
pub(crate) fn is_ours(request: &RequestHeader, context: &RequestContext) -> bool {
    let endpoints = context.endpoints();
    let asks_none = endpoints.is_some_and(|endpoints| endpoints.version != HttpVersion::Http1);
    asks_none && request.headers.contains_key(EXPECT)
}

/// Answers the expectation. HTTP/2 clients get no informational responses from Pingora 0.9.1.
pub(crate) async fn answer(session: &mut Session, request: &mut RequestHeader) -> Result<()> {
    request.remove_header(&EXPECT);
    if session.is_body_done() {
        return Ok(());
    }
    let sent = session.write_continue_response().await;
    sent.map_err(Error::into_down)
}
