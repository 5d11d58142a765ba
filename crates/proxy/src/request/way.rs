//! What a request says of its way here: `X-Forwarded-*`, `X-Real-IP`, `Forwarded` and `X-Request-Id`.
//!
//! In: the client's request. Out: the same without what its sender may not say, before anything else reads it. Only a proxy that
//! a ClientTrafficPolicy trusts is believed; any other sender may be the client itself. `X-Forwarded-For` is kept in any case,
//! because gatefold appends the sender to it; `forwarded` replaces the scheme and the host.

use crate::context::RequestContext;
use crate::request::request_id::REQUEST_ID;
use gatefold_dataplane::client_traffic::client_address::ClientAddress;
use gatefold_dataplane::client_traffic::forwarded_client_cert::FORWARDED_CLIENT_CERT;
use gatefold_dataplane::filter::scheme::Scheme;
use gatefold_dataplane::filter::security::forward_header::are_confusable;
use gatefold_listen::Connection;
use http::{HeaderMap, HeaderName};

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Which of the headers the client has sent. Most requests have none, and one pass over all names is cheaper than a lookup of
/// each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SentFields {
    pub(crate) forwarded_for: bool,
    pub(crate) id: bool,
}

/// Who may set a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Author {
    /// Any sender. Either it doesn't say anything of the way, or it is replaced later.
    Anyone,
    /// A trusted proxy.
    TrustedProxy,
    /// Only gatefold, not even a trusted proxy.
    Gatefold,
}

impl Author {
    fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "forwarded" | "x-real-ip" => Author::TrustedProxy,
            "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" => Author::Anyone,
            // Unless a policy says otherwise (Envoy's default `Sanitize`).
            _ if are_confusable(name, &FORWARDED_CLIENT_CERT) => Author::Gatefold,
            other if other.starts_with("x-forwarded-") => Author::TrustedProxy,
            _ => Author::Anyone,
        }
    }

    fn may_be(self, sender_is_trusted: bool) -> bool {
        match self {
            Author::Anyone => true,
            Author::TrustedProxy => sender_is_trusted,
            Author::Gatefold => false,
        }
    }
}

impl SentFields {
    /// Looks for the headers in a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut sent = SentFields::default();
        headers.keys().for_each(|name| sent.record(name));
        sent
    }

    fn record(&mut self, name: &HeaderName) {
        self.forwarded_for |= *name == FORWARDED_FOR;
        self.id |= *name == REQUEST_ID;
    }
}

/// Records which headers the sender of a request has sent, and returns the names of those that it may not set. The list is empty,
/// and nothing is allocated, for nearly every request.
pub(crate) fn inspect(headers: &HeaderMap, context: &mut RequestContext) -> Vec<HeaderName> {
    let is_trusted = is_trusted(context.client_address);
    let mut forged = Vec::new();
    for name in headers.keys() {
        context.sent.record(name);
        if !Author::of(name).may_be(is_trusted) {
            forged.push(name.clone());
        }
    }
    forged
}

/// Whether the sender is a proxy that the policy of the listener trusts.
pub(crate) fn is_trusted(client: Option<ClientAddress>) -> bool {
    client.is_some_and(|client| client.is_forwarded)
}

/// Returns the scheme of a connection.
pub(crate) fn scheme(connection: &Connection) -> Scheme {
    if connection.is_tls() {
        Scheme::Https
    } else {
        Scheme::Http
    }
}

/// Returns the scheme that the client has used, if a trusted proxy names it.
pub(crate) fn forwarded_scheme(
    client: Option<ClientAddress>,
    headers: &HeaderMap,
) -> Option<Scheme> {
    is_trusted(client).then(|| named_scheme(headers)).flatten()
}

fn named_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let mut fields = headers.get_all(FORWARDED_PROTO).iter();
    let (Some(only), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let is = |scheme: &str| only.as_bytes().eq_ignore_ascii_case(scheme.as_bytes());
    match () {
        () if is("https") => Some(Scheme::Https),
        () if is("http") => Some(Scheme::Http),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::net::{IpAddr, Ipv4Addr};

    fn headers(names: &[&'static str]) -> HeaderMap {
        let fields = names.iter().map(|name| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static("https"))
        });
        fields.collect()
    }

    fn forged(is_trusted: bool) -> Vec<String> {
        let sent = headers(&[
            "accept",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-forwarded-client-cert",
            "x-forwarded-client_cert",
            "x_forwarded_client_cert",
            "x-forwardedness",
            "x-real-ip",
            "forwarded",
        ]);
        let mut context = RequestContext {
            client_address: Some(ClientAddress {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                is_forwarded: is_trusted,
            }),
            ..RequestContext::default()
        };
        let forged = inspect(&sent, &mut context);
        assert!(context.sent.forwarded_for && !context.sent.id);
        let mut names: Vec<String> = forged.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn only_a_trusted_proxy_may_say_where_a_request_comes_from() {
        let from_anyone = [
            "forwarded",
            "x-forwarded-client-cert",
            "x-forwarded-client_cert",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-real-ip",
            "x_forwarded_client_cert",
        ];
        assert_eq!(forged(false), from_anyone);
        let only_gatefold = [
            "x-forwarded-client-cert",
            "x-forwarded-client_cert",
            "x_forwarded_client_cert",
        ];
        assert_eq!(forged(true), only_gatefold);
    }

    #[test]
    fn one_known_scheme_is_believed() {
        let mut sent = headers(&["x-forwarded-proto"]);
        assert_eq!(named_scheme(&sent), Some(Scheme::Https));
        sent.append(FORWARDED_PROTO, HeaderValue::from_static("http"));
        assert_eq!(named_scheme(&sent), None, "two schemes");
        for (text, scheme) in [
            ("HTTP", Some(Scheme::Http)),
            ("ftp", None),
            ("https, http", None),
        ] {
            sent.insert(FORWARDED_PROTO, HeaderValue::from_static(text));
            assert_eq!(named_scheme(&sent), scheme, "{text}");
        }
    }
}
