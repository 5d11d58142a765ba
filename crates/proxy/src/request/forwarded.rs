//! Headers that describe a request's way to its backend: `X-Forwarded-*` and `X-Request-Id`.

use crate::context::RequestContext;
use crate::request::fields::{self, Field};
use crate::request::request_id::{REQUEST_ID, RequestId};
use crate::request::way::{self, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO};
use gatefold_dataplane::client_traffic::RequestIdRule;
use gatefold_dataplane::filter::header_modifier::joined_cookies;
use http::header::{CONNECTION, COOKIE, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderValue, Version};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// Adds the headers for the backend. `request` is the request to the backend, already without hop-by-hop headers; `session`
/// has the client's request.
///
/// Anyone may have sent the request, so its claims about scheme and host are overwritten, unless the sender is a proxy that the
/// policy of the listener trusts. `X-Forwarded-For` is appended to, so its last address is the one that we have seen.
pub(crate) fn add(
    session: &Session,
    request: &mut RequestHeader,
    context: &mut RequestContext,
) -> Result<()> {
    let values = ForwardedValues::of(session, request, context)?;
    fields::overwrite(request, values.fields())?;
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
    addresses: Option<HeaderValue>,
    /// `None` if the connection is unknown.
    scheme: Option<HeaderValue>,
    host: Option<HeaderValue>,
    /// `None` if the backend gets none.
    id: Option<HeaderValue>,
}

impl ForwardedValues {
    fn of(
        session: &Session,
        request: &RequestHeader,
        context: &mut RequestContext,
    ) -> Result<Self> {
        let sent = context.sent;
        let traffic = context.client_traffic.as_deref();
        let connection = context.connection.as_ref();
        let peer = connection.map(|connection| connection.peer_text());
        let appends = traffic.is_none_or(|traffic| !traffic.keeps_forwarded_for);
        let peer = peer.filter(|_| appends);
        let addresses = if sent.forwarded_for {
            listed(&request.headers, peer)
        } else {
            peer.cloned()
        };
        let scheme = connection.map(|connection| {
            let named = way::forwarded_scheme(context.client_address, &request.headers);
            let scheme = named.unwrap_or_else(|| way::scheme(connection));
            HeaderValue::from_static(scheme.as_str())
        });
        let named_host = way::is_trusted(context.client_address)
            .then(|| request.headers.get(FORWARDED_HOST).cloned())
            .flatten();
        let rule = traffic.map(|it| it.request_id).unwrap_or_default();
        let id = context.id.get_or_insert_with(|| {
            let kept = sent.id && matches!(rule, RequestIdRule::KeepOrMake | RequestIdRule::Keep);
            if kept {
                RequestId::of(&request.headers)
            } else {
                RequestId::make()
            }
        });
        let is_forwarded = match rule {
            RequestIdRule::KeepOrMake | RequestIdRule::Make => true,
            RequestIdRule::Keep => id.is_sent(),
            RequestIdRule::Remove => false,
        };
        Ok(ForwardedValues {
            addresses,
            scheme,
            host: match named_host {
                Some(host) => Some(host),
                None => asked_host(session.req_header())?,
            },
            id: is_forwarded.then(|| id.value()).transpose()?,
        })
    }

    /// Returns each header with its value, which replaces the client's.
    fn fields(self) -> [Field; 4] {
        let field = |name, spelling, value| Field {
            name,
            spelling,
            value,
        };
        [
            field(FORWARDED_FOR, "X-Forwarded-For", self.addresses),
            field(FORWARDED_PROTO, "X-Forwarded-Proto", self.scheme),
            field(FORWARDED_HOST, "X-Forwarded-Host", self.host),
            field(REQUEST_ID, "X-Request-Id", self.id),
        ]
    }
}

/// Returns the host that the client requested. Over HTTP/2 it is part of the target, and only there in a request to an HTTP/2
/// backend.
pub(crate) fn asked_host(asked: &RequestHeader) -> Result<Option<HeaderValue>> {
    let Some(authority) = asked.uri.authority() else {
        return Ok(asked.headers.get(HOST).cloned());
    };
    let host = HeaderValue::from_str(authority.as_str()).map_err(|error| {
        let what = "the host of a request as a header's value";
        Error::because(ErrorType::InvalidHTTPHeader, what, error)
    })?;
    Ok(Some(host))
}

/// Returns the client's list, with the peer appended. `None` if there are no addresses.
fn listed(headers: &HeaderMap, peer: Option<&HeaderValue>) -> Option<HeaderValue> {
    let values = headers.get_all(FORWARDED_FOR).iter().chain(peer);
    let mut list = Vec::with_capacity(64);
    for value in values {
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(value.as_bytes());
    }
    if list.is_empty() {
        return None;
    }
    // A list of valid values is valid.
    let list = HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).ok();
    list.or_else(|| peer.cloned())
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
    use http::HeaderName;

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
        let list = |sent: &HeaderMap, peer| {
            let list = listed(sent, peer);
            list.map(|it| it.to_str().expect("a text").to_owned())
        };
        let nothing = headers(&[]);
        assert_eq!(list(&nothing, Some(&peer)).as_deref(), Some("203.0.113.9"));
        assert_eq!(list(&nothing, None), None);
        let mut sent = headers(&[("x-forwarded-for", "192.0.2.1")]);
        sent.append(FORWARDED_FOR, HeaderValue::from_static("192.0.2.2"));
        let all = "192.0.2.1, 192.0.2.2, 203.0.113.9";
        assert_eq!(list(&sent, Some(&peer)).as_deref(), Some(all));
        assert_eq!(list(&sent, None).as_deref(), Some("192.0.2.1, 192.0.2.2"));
    }
}
