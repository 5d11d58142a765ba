//! Which rule answers a preflight request of a browser.
//!
//! A preflight request announces another request ("CORS-preflight request" of the Fetch standard): its method stands in
//! `Access-Control-Request-Method`, its headers aren't there yet. The rule that will get the announced request has to
//! answer, not the one that takes requests with the method OPTIONS.

use super::Rule;
use super::host_routes::Candidate;
use super::request::RequestView;
use super::router::Router;
use http::Method;
use std::sync::Arc;

/// What a preflight request gets.
#[derive(Clone, Copy, Debug)]
pub enum Preflight<'r> {
    /// The answer of this rule's CORS filter. A rule without one allows no other origin.
    Answered(&'r Arc<Rule>),
    /// What any request with the method OPTIONS gets.
    Ordinary(Option<&'r Arc<Rule>>),
}

impl Router {
    /// Decides on a preflight request for a request with the method `announced`.
    pub fn preflight(&self, request: &RequestView<'_>, announced: &Method) -> Preflight<'_> {
        let later = RequestView {
            method: announced,
            ..*request
        };
        let own = self.find(&later, |candidate| {
            let rule = candidate.rule();
            let settled = allows_origins(rule) || !candidate.depends_on_later_headers();
            (candidate.takes_announced(&later) && settled).then_some(rule)
        });
        if let Some(rule) = own.filter(|rule| allows_origins(rule)) {
            return Preflight::Answered(rule);
        }
        let found = self.find(request, |candidate| {
            candidate.takes(request).then_some(candidate)
        });
        let by_options = found.map(Candidate::rule);
        match (own, found) {
            // Its filter says nothing about requests that another rule gets, unless it is for OPTIONS itself.
            (Some(own), Some(found)) if allows_origins(found.rule()) && !found.names_method() => {
                Preflight::Answered(own)
            }
            (_, Some(found)) if allows_origins(found.rule()) => Preflight::Answered(found.rule()),
            _ => Preflight::Ordinary(by_options),
        }
    }
}

fn allows_origins(rule: &Arc<Rule>) -> bool {
    rule.filters.cors.is_some()
}
