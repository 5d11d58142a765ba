//! Headers that describe a request's way to its backend: `X-Forwarded-*` and `X-Request-Id`.

use crate::context::RequestContext;
use crate::request::fields::{self, Field};
use crate::request::request_id::{REQUEST_ID, RequestId};
use gatefold_dataplane::filter::header_modifier::joined_cookies;
use http::header::{CONNECTION, COOKIE, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Adds the headers for the backend. `request` is the request to the backend, already without hop-by-hop headers; `session`
/// has the client's request.
///
/// Anyone may have sent the request, so its claims about scheme and host are overwritten. `X-Forwarded-For` is appended to, so
/// its last address is the one that we have seen.
pub(crate) fn add(
    session: &Session,
    request: &mut RequestHeader,
    context: &mut RequestContext,
) -> Result<()> {
    let told = ForwardedValues::of(session, request, context)?;
    fields::overwrite(request, told.fields())?;
    join_cookies(session, request)?;
    keep_trailers(session, request)?;
    add_missing_host(session, request)
}

/// Adds an empty `Host` to a request without a host, which HTTP/1.0 allows: backends get HTTP/1.1, which requires the header
/// (RFC 9112, section 3.2).
fn add_missing_host(session: &Session, request: &mut RequestHeader) -> Result<()> {
    if session.req_header().version >= Version::HTTP_11 || request.version != Version::HTTP_11 {
        return Ok(());
    }
    if request.uri.authority().is_none() && !request.headers.contains_key(HOST) {
        request.insert_header(HOST, HeaderValue::from_static(""))?;
    }
    Ok(())
}

/// The values of the headers.
struct ForwardedValues {
    /// The list of addresses and the scheme. `None` if the connection is unknown.
    way: Option<(HeaderValue, HeaderValue)>,
    host: Option<HeaderValue>,
    id: HeaderValue,
}

impl ForwardedValues {
    fn of(
        session: &Session,
        request: &RequestHeader,
        context: &mut RequestContext,
    ) -> Result<Self> {
        let sent = ClientValues::of(request);
        let way = context.connection.as_ref().map(|connection| {
            let peer = connection.peer_text();
            let addresses = if sent.forwarded_for {
                appended(&request.headers, peer)
            } else {
                peer.clone()
            };
            let scheme = if connection.is_tls() { "https" } else { "http" };
            (addresses, HeaderValue::from_static(scheme))
        });
        let id = context.id.get_or_insert_with(|| {
            if sent.id {
                RequestId::of(&request.headers)
            } else {
                RequestId::make()
            }
        });
        Ok(ForwardedValues {
            way,
            host: asked_host(session.req_header())?,
            id: id.value()?,
        })
    }

    /// Returns each header with its value, which replaces the client's.
    fn fields(self) -> [Field; 4] {
        let (addresses, scheme) = self.way.unzip();
        let field = |name, spelling, value| Field {
            name,
            spelling,
            value,
        };
        [
            field(FORWARDED_FOR, "X-Forwarded-For", addresses),
            field(FORWARDED_PROTO, "X-Forwarded-Proto", scheme),
            field(FORWARDED_HOST, "X-Forwarded-Host", self.host),
            field(REQUEST_ID, "X-Request-Id", Some(self.id)),
        ]
    }
}

/// Returns the host that the client requested. Over HTTP/2 it is part of the target, and only there in a request to an HTTP/2
/// backend.
fn asked_host(asked: &RequestHeader) -> Result<Option<HeaderValue>> {
    let Some(authority) = asked.uri.authority() else {
        return Ok(asked.headers.get(HOST).cloned());
    };
    let host = HeaderValue::from_str(authority.as_str()).map_err(|error| {
        let what = "the host of a request as a header's value";
        Error::because(ErrorType::InvalidHTTPHeader, what, error)
    })?;
    Ok(Some(host))
}

fn appended(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut before = headers.get_all(FORWARDED_FOR).iter().peekable();
    if before.peek().is_none() {
        return peer.clone();
    }
    let mut list = Vec::with_capacity(64);
    for value in before {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(peer.as_bytes());
    // A list of valid values is valid.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).unwrap_or_else(|_| peer.clone())
}

/// Which of the headers the client has sent. Most requests have none, and one pass over all names is cheaper than a lookup of
/// each.
struct ClientValues {
    forwarded_for: bool,
    id: bool,
}

impl ClientValues {
    fn of(request: &RequestHeader) -> Self {
        let mut sent = ClientValues {
            forwarded_for: false,
            id: false,
        };
        for name in request.headers.keys() {
            sent.forwarded_for |= *name == FORWARDED_FOR;
            sent.id |= *name == REQUEST_ID;
        }
        sent
    }
}

/// Joins cookies that HTTP/2 splits, since HTTP/1 has a single field (RFC 9113, section 8.2.3).
fn join_cookies(session: &Session, request: &mut RequestHeader) -> Result<()> {
    if session.req_header().version != Version::HTTP_2 {
        return Ok(());
    }
    let cookies = request.headers.get_all(COOKIE);
    if cookies.iter().nth(1).is_none() {
        return Ok(());
    }
    match joined_cookies(cookies.iter()) {
        Some(joined) => request.insert_header(COOKIE, joined),
        None => Ok(()),
    }
}

/// Restores `TE: trailers`, which Pingora removes as a hop-by-hop header: the client still accepts trailers.
fn keep_trailers(session: &Session, request: &mut RequestHeader) -> Result<()> {
    let reads_trailers = session
        .req_header()
        .headers
        .get_all(TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    if !reads_trailers || request.headers.contains_key(UPGRADE) {
        return Ok(());
    }
    request.insert_header(TE, HeaderValue::from_static("trailers"))?;
    if request.version == Version::HTTP_2 {
        // HTTP/2 has no `Connection`.
        return Ok(());
    }
    // `Connection` must list it (RFC 9110, section 10.1.4).
    request.insert_header(CONNECTION, HeaderValue::from_static("TE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        values
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn appends_the_peer_to_the_list_of_the_client() {
        let peer = HeaderValue::from_static("203.0.113.9");
        assert_eq!(appended(&headers(&[]), &peer), "203.0.113.9");
        let mut sent = headers(&[("x-forwarded-for", "192.0.2.1")]);
        sent.append(FORWARDED_FOR, HeaderValue::from_static("192.0.2.2"));
        assert_eq!(appended(&sent, &peer), "192.0.2.1, 192.0.2.2, 203.0.113.9");
    }
}
