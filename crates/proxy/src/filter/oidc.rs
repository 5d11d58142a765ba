//! The `oidc` filter on Pingora's requests: what can be decided at once.
//!
//! In: a request. Out: that it passes, with the tokens of its session; everything else waits, and is up to
//! [`OidcClient`](crate::oidc::OidcClient).

use super::headers::RequestFields;
use super::request::RoutedRequest;
use crate::filter::client::ClientFindings;
use crate::request::way;
use crate::request::{check, forwarded};
use crate::response::reason::AnswerReason;
use gatefold_dataplane::client_traffic::client_address::ClientAddress;
use gatefold_dataplane::filter::FilterStep;
use gatefold_dataplane::filter::scheme::Scheme;
use gatefold_dataplane::filter::security::oidc::redirect_url::RequestOrigin;
use gatefold_dataplane::filter::security::oidc::session::OidcSession;
use gatefold_dataplane::filter::security::oidc::{OidcFilter, OidcRequest, OidcStep};
use gatefold_listen::Connection;
use http::HeaderValue;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lets a request with a valid session pass. Others wait.
///
/// # Errors
/// If the request has no host.
pub(crate) fn admit(
    filter: &Arc<OidcFilter>,
    session: &mut Session,
    request: &RoutedRequest<'_>,
    client: &mut ClientFindings,
) -> Result<FilterStep, AnswerReason> {
    client.seen_by_oidc(filter);
    let header = session.req_header();
    let asked = AskedOrigin::of(header, request.connection, request.client_address)?;
    let now = seconds_now();
    let admitted = match filter.step(&asked.view(header), now) {
        OidcStep::Admit(admitted) => Some(admitted),
        OidcStep::PassThrough => None,
        OidcStep::Renew(_) | OidcStep::CompleteLogin | OidcStep::LogOut(_) | OidcStep::LogIn => {
            return Ok(FilterStep::Wait);
        }
    };
    pass(filter, admitted.as_ref(), now, session);
    Ok(FilterStep::Continue)
}

/// Lets a request pass, with the tokens of its session if it has one.
pub(crate) fn pass(
    filter: &OidcFilter,
    admitted: Option<&OidcSession>,
    now: u64,
    session: &mut Session,
) {
    let fields = &mut RequestFields(session.req_header_mut());
    filter.change_request(admitted, now, fields);
}

/// The scheme and the host by which a client has reached gatefold.
pub(crate) struct AskedOrigin {
    scheme: Scheme,
    host: HeaderValue,
}

impl AskedOrigin {
    /// Finds them for a request.
    ///
    /// # Errors
    /// If the request has no host, which HTTP/1.0 allows: a browser could not come back.
    pub(crate) fn of(
        header: &RequestHeader,
        connection: &Connection,
        client: Option<ClientAddress>,
    ) -> Result<Self, AnswerReason> {
        check::host(header)?;
        let named = way::forwarded_scheme(client, &header.headers);
        let host = forwarded::asked_host(header).map_err(|_| AnswerReason::MalformedHost)?;
        let host = host.filter(|host| host.to_str().is_ok_and(|host| !host.is_empty()));
        Ok(AskedOrigin {
            scheme: named.unwrap_or_else(|| way::scheme(connection)),
            host: host.ok_or(AnswerReason::MalformedHost)?,
        })
    }

    /// Returns the request as the filter sees it.
    pub(crate) fn view<'r>(&'r self, header: &'r RequestHeader) -> OidcRequest<'r> {
        OidcRequest {
            origin: RequestOrigin {
                scheme: self.scheme,
                host: self.host.to_str().unwrap_or_default(),
            },
            path: header.uri.path(),
            query: header.uri.query(),
            headers: &header.headers,
        }
    }
}

/// Returns the time in seconds since 1970.
pub(crate) fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
