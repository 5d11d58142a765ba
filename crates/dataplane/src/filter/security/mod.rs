//! The filters of a SecurityPolicy: who may use a rule.
//!
//! In: the policy's settings, with credentials already read. Out: for a request, that it may pass and what the backend learns
//! about the client, or a [`Denial`](denial::Denial). A filter never decides from timing, or from a header that an earlier filter of
//! the policy sets and that the client has sent itself. Only `oidc` and `jwt` depend on the clock.
//!
//! Envoy Gateway runs them in this order (`newOrderedHTTPFilter` in its `internal/xds/translator/httpfilters.go`): CORS, CSRF, API
//! keys, basic authentication, OpenID Connect, tokens, authorization. A request must pass all of them.

pub mod api_key;
pub mod authorization;
pub mod basic_auth;
mod cookie;
pub mod csrf;
pub mod denial;
pub mod forward_header;
pub mod jwt;
pub mod oidc;
pub mod path_condition;

use super::Filter;
use super::cors::Cors;
use api_key::ApiKeyFilter;
use authorization::AuthorizationFilter;
use basic_auth::BasicAuthFilter;
use csrf::CsrfFilter;
use jwt::JwtFilter;
use oidc::OidcFilter;
use std::sync::Arc;

/// The filters that a SecurityPolicy adds to each rule that it protects. Rules share them, since a policy of a Gateway
/// protects all of its routes.
#[derive(Clone, Debug, Default)]
pub struct SecurityFilters {
    /// `cors`.
    pub cors: Option<Arc<Cors>>,
    /// `csrf`.
    pub csrf: Option<Arc<CsrfFilter>>,
    /// `apiKeyAuth`.
    pub api_key: Option<Arc<ApiKeyFilter>>,
    /// `basicAuth`.
    pub basic_auth: Option<Arc<BasicAuthFilter>>,
    /// `oidc`.
    pub oidc: Option<Arc<OidcFilter>>,
    /// `jwt`.
    pub jwt: Option<Arc<JwtFilter>>,
    /// `authorization`.
    pub authorization: Option<Arc<AuthorizationFilter>>,
}

impl SecurityFilters {
    /// Adds the filters to those of a rule. The order doesn't matter, since [`Filters::new`](super::Filters::new) sorts them.
    ///
    /// The CORS filter of the route takes precedence over the policy's, as in Envoy Gateway (`cors.go`: "The CORS settings
    /// from the Gateway API HTTPCORSFilter take precedence over the CORS settings from the SecurityPolicy").
    pub fn add_to(&self, filters: &mut Vec<Filter>) {
        let SecurityFilters {
            cors,
            csrf,
            api_key,
            basic_auth,
            oidc,
            jwt,
            authorization,
        } = self;
        let own_cors = filters.iter().any(|it| matches!(it, Filter::Cors(_)));
        let cors = cors.iter().filter(|_| !own_cors);
        filters.extend(cors.cloned().map(Filter::Cors));
        filters.extend(csrf.iter().cloned().map(Filter::Csrf));
        filters.extend(api_key.iter().cloned().map(Filter::ApiKey));
        filters.extend(basic_auth.iter().cloned().map(Filter::BasicAuth));
        filters.extend(oidc.iter().cloned().map(Filter::Oidc));
        filters.extend(jwt.iter().cloned().map(Filter::Jwt));
        filters.extend(authorization.iter().cloned().map(Filter::Authorization));
    }
}

#[cfg(test)]
mod tests;
