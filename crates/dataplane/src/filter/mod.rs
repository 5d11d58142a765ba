//! Filters, one file each, and the order in which they run.
//!
//! In: the settings of the filters of a rule or a backend. Out: what each one changes, or the answer that it gives instead of
//! a backend. The proxy runs them in phases: once per request before a backend is chosen, for each attempt to forward the
//! request, and for the response. A new filter is a file here, a variant of [`Filter`], and an arm in each phase.

pub mod answer;
pub mod cors;
pub mod external_auth;
pub mod header_modifier;
pub mod path_modifier;
pub mod request_mirror;
pub mod request_redirect;
pub mod route_choice;
pub mod scheme;
pub mod security;
pub mod url_rewrite;

use answer::FilterAnswer;
use cors::Cors;
use external_auth::ExternalAuth;
use header_modifier::HeaderModifier;
use request_mirror::RequestMirror;
use request_redirect::RequestRedirect;
use security::api_key::ApiKeyFilter;
use security::authorization::AuthorizationFilter;
use security::basic_auth::BasicAuthFilter;
use security::csrf::CsrfFilter;
use security::jwt::JwtFilter;
use security::oidc::OidcFilter;
use std::fmt;
use std::sync::Arc;
use url_rewrite::UrlRewrite;

/// A filter of a rule or a backend.
#[derive(Debug)]
pub enum Filter {
    /// Answers preflight requests and adds CORS headers to responses. Only rules have it.
    Cors(Arc<Cors>),
    /// Requires that requests which change something come from the site itself. Only rules have it.
    Csrf(Arc<CsrfFilter>),
    /// Requires that an authorization server allows the request. Only rules have it.
    ExternalAuth(Arc<ExternalAuth>),
    /// Requires the key of a client. Only rules have it.
    ApiKey(Arc<ApiKeyFilter>),
    /// Requires the password of a user. Only rules have it.
    BasicAuth(Arc<BasicAuthFilter>),
    /// Requires a login at an OpenID provider. Only rules have it.
    Oidc(Arc<OidcFilter>),
    /// Requires a JSON Web Token. Only rules have it.
    Jwt(Arc<JwtFilter>),
    /// Requires that rules about the client and the request allow it. Only rules have it.
    Authorization(Arc<AuthorizationFilter>),
    /// Answers every request. Only rules have it.
    RequestRedirect(Box<RequestRedirect>),
    /// Changes the headers of the forwarded request.
    RequestHeaderModifier(HeaderModifier),
    /// Changes the host and path of the forwarded request.
    UrlRewrite(UrlRewrite),
    /// Sends a copy of the forwarded request to a mirror.
    RequestMirror(RequestMirror),
    /// Changes the headers of the response.
    ResponseHeaderModifier(HeaderModifier),
}

/// The order in which filters run, in every phase. Filters of the same kind run in the order of the manifest. Mirrors get the
/// request with all changes, so they come after them. Those of a SecurityPolicy come before everything that answers or forwards
/// the request, such as a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FilterOrder {
    Cors,
    Csrf,
    ExternalAuth,
    ApiKey,
    BasicAuth,
    Oidc,
    Jwt,
    Authorization,
    RequestRedirect,
    RequestHeaderModifier,
    UrlRewrite,
    RequestMirror,
    ResponseHeaderModifier,
}

impl Filter {
    fn order(&self) -> FilterOrder {
        match self {
            Filter::Cors(_) => FilterOrder::Cors,
            Filter::Csrf(_) => FilterOrder::Csrf,
            Filter::ExternalAuth(_) => FilterOrder::ExternalAuth,
            Filter::ApiKey(_) => FilterOrder::ApiKey,
            Filter::BasicAuth(_) => FilterOrder::BasicAuth,
            Filter::Oidc(_) => FilterOrder::Oidc,
            Filter::Jwt(_) => FilterOrder::Jwt,
            Filter::Authorization(_) => FilterOrder::Authorization,
            Filter::RequestRedirect(_) => FilterOrder::RequestRedirect,
            Filter::RequestHeaderModifier(_) => FilterOrder::RequestHeaderModifier,
            Filter::UrlRewrite(_) => FilterOrder::UrlRewrite,
            Filter::RequestMirror(_) => FilterOrder::RequestMirror,
            Filter::ResponseHeaderModifier(_) => FilterOrder::ResponseHeaderModifier,
        }
    }
}

/// What a filter decides in a phase.
#[derive(Debug)]
pub enum FilterStep {
    /// The next filter runs.
    Continue,
    /// This answer is sent. No further filter runs.
    Answer(Box<FilterAnswer>),
    /// The filter has to wait before it decides. Only then does the request pay for a future.
    Wait,
}

/// The filters of a rule or a backend, in the order in which they run.
#[derive(Debug, Default)]
pub struct Filters(Box<[Filter]>);

impl Filters {
    /// Sorts filters, which are in the order of the manifest.
    pub fn new(mut filters: Vec<Filter>) -> Self {
        filters.sort_by_key(Filter::order);
        Filters(filters.into())
    }

    /// Returns the filters in the order in which they run.
    pub fn iter(&self) -> std::slice::Iter<'_, Filter> {
        self.0.iter()
    }

    /// Returns the filter at a position.
    pub fn get(&self, position: usize) -> Option<&Filter> {
        self.0.get(position)
    }

    /// Returns the CORS settings.
    pub fn cors(&self) -> Option<&Cors> {
        self.iter().find_map(|filter| match filter {
            Filter::Cors(cors) => Some(&**cors),
            Filter::Csrf(_)
            | Filter::ExternalAuth(_)
            | Filter::ApiKey(_)
            | Filter::BasicAuth(_)
            | Filter::Oidc(_)
            | Filter::Jwt(_)
            | Filter::Authorization(_)
            | Filter::RequestRedirect(_)
            | Filter::RequestHeaderModifier(_)
            | Filter::UrlRewrite(_)
            | Filter::RequestMirror(_)
            | Filter::ResponseHeaderModifier(_) => None,
        })
    }

    /// Returns the mirrors.
    pub fn mirrors(&self) -> impl Iterator<Item = &RequestMirror> {
        self.iter().filter_map(|filter| match filter {
            Filter::RequestMirror(mirror) => Some(mirror),
            Filter::Cors(_)
            | Filter::Csrf(_)
            | Filter::ExternalAuth(_)
            | Filter::ApiKey(_)
            | Filter::BasicAuth(_)
            | Filter::Oidc(_)
            | Filter::Jwt(_)
            | Filter::Authorization(_)
            | Filter::RequestRedirect(_)
            | Filter::RequestHeaderModifier(_)
            | Filter::UrlRewrite(_)
            | Filter::ResponseHeaderModifier(_) => None,
        })
    }
}

/// Each filter after a space, in the order in which they run.
impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|filter| match filter {
            Filter::Cors(cors) => cors.fmt(f),
            Filter::Csrf(filter) => filter.fmt(f),
            Filter::ExternalAuth(filter) => filter.fmt(f),
            Filter::ApiKey(filter) => filter.fmt(f),
            Filter::BasicAuth(filter) => filter.fmt(f),
            Filter::Oidc(filter) => filter.fmt(f),
            Filter::Jwt(filter) => filter.fmt(f),
            Filter::Authorization(filter) => filter.fmt(f),
            Filter::RequestRedirect(redirect) => write!(f, " redirect [{redirect}]"),
            Filter::RequestHeaderModifier(modifier) => write!(f, " request{modifier}"),
            Filter::UrlRewrite(rewrite) => rewrite.fmt(f),
            Filter::RequestMirror(mirror) => mirror.fmt(f),
            Filter::ResponseHeaderModifier(modifier) => write!(f, " response{modifier}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_kind_and_keeps_the_order_of_the_manifest_within_a_kind() {
        let modifier = |name: &'static str| {
            Filter::RequestHeaderModifier(HeaderModifier {
                remove: vec![http::HeaderName::from_static(name)],
                ..HeaderModifier::default()
            })
        };
        let filters = Filters::new(vec![
            Filter::ResponseHeaderModifier(HeaderModifier::default()),
            Filter::UrlRewrite(UrlRewrite::default()),
            modifier("b"),
            modifier("a"),
        ]);
        let order: Vec<FilterOrder> = filters.iter().map(Filter::order).collect();
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(
            filters.to_string(),
            " request remove [b] request remove [a] response"
        );
    }
}
