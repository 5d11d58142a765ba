//! What the filters of a SecurityPolicy have found out about the client of a request.
//!
//! In: the token that `jwt` accepts. Out: the token for the rules of `authorization`, and whether the request is routed again with
//! the headers of its claims (API: `recomputeRoute`), which happens once at most. A request without a token costs nothing.

use gatefold_dataplane::Rule;
use gatefold_dataplane::filter::Filter;
use gatefold_dataplane::filter::security::jwt::provider::ClaimRouting;
use gatefold_dataplane::filter::security::jwt::{AcceptedToken, VerifiedToken};
use std::sync::Arc;

/// What is known of the client.
#[derive(Debug, Default)]
pub(crate) struct ClientFindings {
    token: Option<Box<VerifiedToken>>,
    rerouting: Rerouting,
}

/// Whether a request is routed again.
#[derive(Debug, Default)]
enum Rerouting {
    /// Its headers are those that it was routed with.
    #[default]
    NotDue,
    /// Claims have changed its headers.
    Due,
    /// It has been routed again. Contains the rule before.
    Done(Arc<Rule>),
}

impl ClientFindings {
    /// Accepts the token that a filter has verified, or that the request may pass without one, and what its claims mean for routing.
    pub(crate) fn accept(&mut self, token: Option<AcceptedToken<'_>>, routing: ClaimRouting) {
        if let (ClaimRouting::Recompute, Rerouting::NotDue) = (routing, &self.rerouting) {
            self.rerouting = Rerouting::Due;
        }
        self.token = token.map(|token| Box::new(token.verified()));
    }

    /// Returns the accepted token.
    pub(crate) fn token(&self) -> Option<&VerifiedToken> {
        self.token.as_deref()
    }

    /// Whether the request must be routed again before the next filter runs.
    pub(crate) fn must_be_routed(&self) -> bool {
        matches!(self.rerouting, Rerouting::Due)
    }

    /// Records that the request has been routed again, and the rule before.
    pub(crate) fn rerouted(&mut self, before: Arc<Rule>) {
        self.rerouting = Rerouting::Done(before);
    }

    /// Returns the rule of the request before it was routed again.
    pub(crate) fn rule_before(&self) -> Option<&Rule> {
        match &self.rerouting {
            Rerouting::Done(before) => Some(before),
            Rerouting::NotDue | Rerouting::Due => None,
        }
    }

    /// Whether a filter has been passed before the request was routed again. It isn't run twice, since it may have removed the
    /// credentials that it requires. `authorization` comes later, and so it always runs.
    pub(crate) fn has_passed(&self, filter: &Filter) -> bool {
        let Some(before) = self.rule_before() else {
            return false;
        };
        before.filters.iter().any(|other| match (filter, other) {
            (Filter::Csrf(one), Filter::Csrf(other)) => Arc::ptr_eq(one, other),
            (Filter::ApiKey(one), Filter::ApiKey(other)) => Arc::ptr_eq(one, other),
            (Filter::BasicAuth(one), Filter::BasicAuth(other)) => Arc::ptr_eq(one, other),
            (Filter::Jwt(one), Filter::Jwt(other)) => Arc::ptr_eq(one, other),
            _ => false,
        })
    }
}
