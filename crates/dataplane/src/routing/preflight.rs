//! Routing of CORS preflight requests.
//!
//! A preflight request announces another request ("CORS-preflight request" of the Fetch standard). It carries the method of
//! that request in `Access-Control-Request-Method`, but not its headers. It is answered by the rule that will serve the
//! announced request, not by a rule that matches the method OPTIONS.

use super::RoutedTo;
use super::candidates::Candidate;
use super::http_match::HttpMatch;
use super::request::RequestView;
use super::router::Router;
use crate::Rule;
use http::Method;
use std::sync::Arc;

impl Router<HttpMatch> {
    /// Routes a preflight request that announces a request with the method `announced`.
    pub(super) fn preflight(&self, request: &RequestView<'_>, announced: &Method) -> RoutedTo<'_> {
        let later = RequestView {
            method: announced,
            ..*request
        };
        let own = self.find(&later, |candidate| {
            let rule = &candidate.rule;
            let settled = allows_origins(rule) || !candidate.depends_on_later_headers();
            (candidate.matches_announced(&later) && settled).then_some(rule)
        });
        if let Some(rule) = own.filter(|rule| allows_origins(rule)) {
            return RoutedTo::Preflight(rule);
        }
        let found = self.find(request, |candidate| {
            candidate.matches(request).then_some(candidate)
        });
        let by_options = found.map(|candidate| &candidate.rule);
        match (own, found) {
            // The filter found by OPTIONS covers requests of other rules only if its match requires OPTIONS.
            (Some(own), Some(found)) if allows_origins(&found.rule) && !found.names_method() => {
                RoutedTo::Preflight(own)
            }
            (_, Some(found)) if allows_origins(&found.rule) => RoutedTo::Preflight(&found.rule),
            _ => RoutedTo::Rule(by_options),
        }
    }
}

impl Candidate<HttpMatch> {
    /// Whether the request that a preflight request announces may match.
    fn matches_announced(&self, request: &RequestView<'_>) -> bool {
        let conditions = self.conditions.as_ref();
        conditions.is_none_or(|it| it.matches_announced(request))
    }

    /// Whether it depends on headers that only the announced request has.
    fn depends_on_later_headers(&self) -> bool {
        let conditions = self.conditions.as_ref();
        conditions.is_some_and(|it| it.depends_on_later_headers())
    }

    /// Whether it requires a method.
    fn names_method(&self) -> bool {
        let conditions = self.conditions.as_ref();
        conditions.is_some_and(|it| it.method.is_some())
    }
}

fn allows_origins(rule: &Arc<Rule>) -> bool {
    rule.filters.cors().is_some()
}
