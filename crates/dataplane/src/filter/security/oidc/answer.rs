//! Answers that lead a browser on. Nothing may store them, since they have cookies.

use super::outcome::OidcOutcome;
use crate::filter::answer::{FilterAnswer, ResponsePhase};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Returns a redirect that nothing may store. `None` if the URL can't be sent in a header.
pub(super) fn redirect_to(location: &str, outcome: OidcOutcome) -> Option<FilterAnswer> {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, HeaderValue::try_from(location).ok()?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Some(FilterAnswer {
        status: StatusCode::FOUND,
        headers,
        body: Bytes::from_static(outcome.text().as_bytes()),
        response_phase: ResponsePhase::Run,
    })
}

/// Returns a page that leads to a URL, and that doesn't tell it its own, which has the code of the login. The browser opens it for this host, so it sends cookies that it would not send after a
/// redirect that another site has begun (`SameSite=Strict`).
pub(super) fn page_leading_to(url: &str) -> FilterAnswer {
    let mut escaped = String::new();
    for character in url.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    let page = format!(
        "<!doctype html><meta http-equiv=\"refresh\" content=\"0; url={escaped}\"><title>logged in</title><a href=\"{escaped}\">Continue</a>\n"
    );
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    FilterAnswer {
        status: StatusCode::OK,
        headers,
        body: Bytes::from(page),
        response_phase: ResponsePhase::Run,
    }
}
