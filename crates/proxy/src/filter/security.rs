//! Runs the filters of a SecurityPolicy on Pingora's requests.
//!
//! They change the client's request in the session itself, once, and not only the copy for the backend: what they remove, such as
//! a key, must not come back by a rewrite or a redirect, which start from the session; and what they set must be visible to
//! the rules of `authorization`, which come last.

use super::headers::RequestFields;
use super::request::RoutedRequest;
use super::url_rewrite;
use crate::filter::client::ClientFindings;
use crate::request::{check, way};
use crate::response::reason::AnswerReason;
use gatefold_dataplane::filter::security::api_key::ApiKeyFilter;
use gatefold_dataplane::filter::security::authorization::{AuthorizationFilter, ClientRequest};
use gatefold_dataplane::filter::security::basic_auth::BasicAuthFilter;
use gatefold_dataplane::filter::security::csrf::{CsrfFilter, CsrfOutcome, Site};
use gatefold_dataplane::filter::security::jwt::JwtFilter;
use gatefold_dataplane::path_normalization::PathNormalization;
use http::uri::PathAndQuery;
use pingora_core::Result;
use pingora_http::RequestHeader;
use std::net::IpAddr;
use std::time::SystemTime;

/// Requires that a request which changes something comes from the site that it is for.
pub(crate) fn csrf(
    filter: &CsrfFilter,
    header: &RequestHeader,
    request: &RoutedRequest<'_>,
) -> Result<(), AnswerReason> {
    let host = check::host(header)?;
    let forwarded = way::forwarded_scheme(request.client_address, &header.headers);
    let scheme = forwarded.unwrap_or_else(|| way::scheme(request.connection));
    let target = Site::new(&host, check::port(header), scheme);
    match filter.check(&header.method, &header.headers, target)? {
        CsrfOutcome::Passed => {}
        CsrfOutcome::Observed { is_forged } => request.counters.csrf_observed(is_forged),
    }
    Ok(())
}

/// Requires the key of a client, removes it if the policy says so, and adds the client's identifier.
pub(crate) fn api_key(
    filter: &ApiKeyFilter,
    request: &mut RequestHeader,
) -> Result<(), AnswerReason> {
    let client = filter.check(&request.headers, request.uri.query())?;
    filter.sanitize_headers(&mut RequestFields(request));
    let query = request.uri.query();
    if let Some(query) = query.and_then(|query| filter.sanitized_query(query)) {
        set_query(request, &query)?;
    }
    if let Some(header) = filter.forward() {
        header.replace(&mut RequestFields(request), Some(client));
    }
    Ok(())
}

/// Requires the password of a user, and adds the user's name.
pub(crate) fn basic_auth(
    filter: &BasicAuthFilter,
    request: &mut RequestHeader,
) -> Result<(), AnswerReason> {
    let user = filter.check(&request.headers)?;
    if let Some(header) = filter.forward() {
        header.replace(&mut RequestFields(request), Some(user));
    }
    Ok(())
}

/// Requires a token, replaces the headers of its claims, and remembers it for the rules of `authorization`.
pub(crate) fn jwt(
    filter: &JwtFilter,
    request: &mut RequestHeader,
    client: &mut ClientFindings,
) -> Result<(), AnswerReason> {
    let query = request.uri.query();
    let token = filter.check(&request.headers, query, SystemTime::now())?;
    let routing = filter.replace_headers(token.as_ref(), &mut RequestFields(request));
    client.accept(token, routing);
    Ok(())
}

/// Requires that the rules allow the request of the client with an address.
pub(crate) fn authorization(
    filter: &AuthorizationFilter,
    request: &RequestHeader,
    (address, client): (IpAddr, &ClientFindings),
    normalization: PathNormalization,
) -> Result<(), AnswerReason> {
    let path = normalization.for_matching(request.uri.path());
    let checked = filter.check(ClientRequest {
        address,
        method: &request.method,
        path: &path,
        headers: &request.headers,
        token: client.token(),
    });
    Ok(checked?)
}

/// Replaces the query. An empty one also removes the `?`.
pub(crate) fn set_query(request: &mut RequestHeader, query: &str) -> Result<(), AnswerReason> {
    let path = request.uri.path();
    let target = if query.is_empty() {
        PathAndQuery::try_from(path)
    } else {
        PathAndQuery::try_from(format!("{path}?{query}"))
    };
    // Parts of a valid target are valid.
    let target = target.map_err(|_| AnswerReason::Internal)?;
    let uri = url_rewrite::with_target(&request.uri, target).map_err(|_| AnswerReason::Internal)?;
    request.set_uri(uri);
    Ok(())
}
