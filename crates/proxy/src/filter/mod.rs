//! The phases of filters.
//!
//! In: the filters of a request's rule and backend, in their order. Out: changes, or an answer instead of a backend's.
//!
//! - [`request`]: once per request, after routing and before an endpoint is chosen. A filter continues, answers, or waits.
//! - [`forward`]: for each attempt, on the request to the endpoint. A filter changes it, and never waits.
//! - [`response`]: for the response to the client. A filter continues, answers instead, or waits.
//!
//! No future is made unless a filter waits. A new filter is an arm in each phase.

pub(crate) mod client;
pub(crate) mod forward;
pub(crate) mod headers;
pub(crate) mod oidc;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod security;
pub(crate) mod servers;
pub(crate) mod url_rewrite;

#[cfg(test)]
pub(crate) mod probe;

use gatefold_dataplane::Rule;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::{Filter, Filters};

/// The owner of a list of filters. Filters of a backend apply only to requests forwarded to it (API:
/// `HTTPBackendRef.filters`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterOwner {
    /// The rule that the request was routed to.
    Rule,
    /// The backend that was chosen.
    Backend,
}

impl FilterOwner {
    /// Returns the filters of this owner, for a request with this rule and backend.
    pub(crate) fn filters(self, rule: &Rule, backend: Option<usize>) -> Option<&Filters> {
        match self {
            FilterOwner::Rule => Some(&rule.filters),
            FilterOwner::Backend => Some(&rule.backend(backend?)?.filters),
        }
    }
}

/// The position of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterPosition {
    pub(crate) owner: FilterOwner,
    pub(crate) index: usize,
}

impl FilterPosition {
    /// The first filter of an owner.
    pub(crate) fn first(owner: FilterOwner) -> Self {
        FilterPosition { owner, index: 0 }
    }

    /// Returns the filter at this position, for a request with this rule and backend.
    pub(crate) fn filter(self, rule: &Rule, backend: Option<usize>) -> Option<&Filter> {
        self.owner.filters(rule, backend)?.get(self.index)
    }

    /// The filter after this one.
    pub(crate) fn next(self) -> Self {
        FilterPosition {
            index: self.index.saturating_add(1),
            ..self
        }
    }
}

/// The result of running filters on a response: the filter that waits, if any, or the answer of one.
pub(crate) type Run = Result<Option<FilterPosition>, Box<FilterAnswer>>;
