//! What the filters of a SecurityPolicy have found out about the client of a request.
//!
//! In: the token that `jwt` accepts, what `oidc` does, and what `extAuth` says. Out: the token for the rules of `authorization`,
//! whether the request is routed again with the headers that they have set (API: `recomputeRoute`), and which filters it has passed before,
//! the cookies of a renewed session, and which headers contain secrets. A request without any of them costs nothing.

use gatefold_dataplane::Rule;
use gatefold_dataplane::filter::Filter;
use gatefold_dataplane::filter::route_choice::RouteChoice;
use gatefold_dataplane::filter::security::jwt::{AcceptedToken, VerifiedToken};
use gatefold_dataplane::filter::security::oidc::OidcFilter;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

/// What is known of the client.
#[derive(Debug, Default)]
pub(crate) struct ClientFindings {
    token: Option<Box<VerifiedToken>>,
    rerouting: Rerouting,
    /// The `oidc` filter that has seen the request.
    oidc: Option<Arc<OidcFilter>>,
    /// The `Set-Cookie` fields of a renewed session.
    cookies: Vec<HeaderValue>,
}

/// Whether a request is routed again, and which filters it has passed before.
#[derive(Debug, Default)]
struct Rerouting {
    /// Whether a filter has changed the headers since the request was routed.
    is_due: bool,
    /// The rules of the request before it was routed again.
    passed: Vec<PassedRule>,
}

/// A rule whose filters have run before the request was routed again, but for the last ones.
#[derive(Debug)]
struct PassedRule {
    rule: Arc<Rule>,
    /// The number of filters that have run. Those behind them haven't seen the request yet.
    filters: usize,
}

impl PassedRule {
    /// Returns the filters that have run.
    fn filters(&self) -> impl Iterator<Item = &Filter> {
        self.rule.filters.iter().take(self.filters)
    }
}

impl ClientFindings {
    /// Accepts the token that a filter has verified, or that the request may pass without one, and what its claims mean for routing.
    pub(crate) fn accept(&mut self, token: Option<AcceptedToken<'_>>, routing: RouteChoice) {
        self.route_by_headers(routing);
        self.token = token.map(|token| Box::new(token.verified()));
    }

    /// Routes the request again if the headers that a filter has set may change its route. This ends, since no filter of these kinds runs
    /// twice.
    pub(crate) fn route_by_headers(&mut self, routing: RouteChoice) {
        if routing == RouteChoice::Recompute {
            self.rerouting.is_due = true;
        }
    }

    /// Returns the accepted token.
    pub(crate) fn token(&self) -> Option<&VerifiedToken> {
        self.token.as_deref()
    }

    /// Records that an `oidc` filter has seen the request, and may have added tokens.
    pub(crate) fn seen_by_oidc(&mut self, filter: &Arc<OidcFilter>) {
        self.oidc = Some(filter.clone());
    }

    /// Whether a header of the request or the response may contain tokens, which logs must not show.
    pub(crate) fn is_secret(&self, name: &HeaderName) -> bool {
        let oidc = self.oidc.as_ref();
        oidc.is_some_and(|filter| filter.is_secret(name))
    }

    /// Records the `Set-Cookie` fields of a renewed session. Every response has them, since the provider may accept the former refresh
    /// token no more.
    pub(crate) fn set_cookies(&mut self, cookies: Vec<HeaderValue>) {
        self.cookies = cookies;
    }

    /// Returns the `Set-Cookie` fields of a renewed session.
    pub(crate) fn cookies(&self) -> &[HeaderValue] {
        &self.cookies
    }

    /// Whether the request must be routed again before the next filter runs.
    pub(crate) fn must_be_routed(&self) -> bool {
        self.rerouting.is_due
    }

    /// Records that the request is routed again, its rule before, and how many filters of that rule have run.
    pub(crate) fn rerouted(&mut self, rule: Arc<Rule>, filters: usize) {
        self.rerouting.is_due = false;
        self.rerouting.passed.push(PassedRule { rule, filters });
    }

    /// Returns the filters that the request has passed before it was routed again, in their order.
    pub(crate) fn passed(&self) -> impl Iterator<Item = &Filter> {
        self.rerouting.passed.iter().flat_map(PassedRule::filters)
    }

    /// Whether a filter has been passed before the request was routed again. It isn't run twice, since it may have removed the
    /// credentials that it requires, or asks a server. `authorization` comes later, and so it always runs.
    pub(crate) fn has_passed(&self, filter: &Filter) -> bool {
        self.passed().any(|other| match (filter, other) {
            (Filter::Csrf(one), Filter::Csrf(other)) => Arc::ptr_eq(one, other),
            (Filter::ApiKey(one), Filter::ApiKey(other)) => Arc::ptr_eq(one, other),
            (Filter::BasicAuth(one), Filter::BasicAuth(other)) => Arc::ptr_eq(one, other),
            (Filter::Oidc(one), Filter::Oidc(other)) => Arc::ptr_eq(one, other),
            (Filter::Jwt(one), Filter::Jwt(other)) => Arc::ptr_eq(one, other),
            (Filter::ExternalAuth(one), Filter::ExternalAuth(other)) => Arc::ptr_eq(one, other),
            _ => false,
        })
    }
}
