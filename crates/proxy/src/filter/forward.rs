//! The forward phase: filters that change the request to an endpoint, on each attempt.

use super::headers::RequestFields;
use super::url_rewrite;
use crate::mirror::{Copying, Mirrors, Tap};
use crate::request::fields;
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;
use gatefold_dataplane::filter::{Filter, Filters};
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// A request on its way to an endpoint.
pub(crate) struct Forwarding<'f> {
    /// The client's session, which has the request as it was sent.
    pub(crate) session: &'f mut Session,
    /// The request to the endpoint.
    pub(crate) request: &'f mut RequestHeader,
    pub(crate) mirrors: &'f Mirrors,
    pub(crate) copying: Copying,
    /// The index of the client certificate that mirrors are shown.
    pub(crate) identity: Option<usize>,
    /// The copies that get the body. `None` if no filter is a mirror.
    pub(crate) taps: Option<Vec<Tap>>,
}

impl Forwarding<'_> {
    /// Runs filters.
    ///
    /// # Errors
    /// If a filter can't be applied.
    pub(crate) fn run(&mut self, filters: &Filters) -> Result<()> {
        for filter in filters.iter() {
            match filter {
                Filter::RequestHeaderModifier(modifier) => {
                    modifier.apply(&mut RequestFields(self.request));
                }
                Filter::UrlRewrite(rewrite) => {
                    url_rewrite::apply(rewrite, self.session, self.request)?;
                }
                Filter::RequestMirror(mirror) => {
                    if self.copying == Copying::Start {
                        let taps = self.taps.get_or_insert_default();
                        let bodiless = self.session.is_body_empty();
                        let tap = self
                            .mirrors
                            .begin(mirror, self.request, self.identity, bodiless);
                        taps.extend(tap);
                    }
                }
                Filter::ApiKey(_) | Filter::BasicAuth(_) | Filter::Oidc(_) | Filter::Jwt(_) => {
                    self.add_identity(filter)?;
                }
                Filter::Cors(_)
                | Filter::Csrf(_)
                | Filter::ExternalAuth(_)
                | Filter::Authorization(_)
                | Filter::RequestRedirect(_)
                | Filter::ResponseHeaderModifier(_) => {}
            }
        }
        Ok(())
    }

    /// Adds what filters have found out about the client before the request was routed again.
    ///
    /// # Errors
    /// If it can't be added.
    pub(crate) fn run_identity<'h>(
        &mut self,
        filters: impl IntoIterator<Item = &'h Filter>,
    ) -> Result<()> {
        let mut filters = filters.into_iter();
        filters.try_for_each(|filter| self.add_identity(filter))
    }

    /// Adds what a filter has found out about the client.
    fn add_identity(&mut self, filter: &Filter) -> Result<()> {
        match filter {
            Filter::ApiKey(filter) => self.forward_identity(filter.forward()),
            Filter::BasicAuth(filter) => self.forward_identity(filter.forward()),
            Filter::Oidc(filter) => self.forward_identity(filter.forwarded()),
            Filter::Jwt(filter) => self.forward_identity(filter.claim_headers()),
            Filter::Cors(_)
            | Filter::Csrf(_)
            | Filter::ExternalAuth(_)
            | Filter::Authorization(_)
            | Filter::RequestRedirect(_)
            | Filter::RequestHeaderModifier(_)
            | Filter::UrlRewrite(_)
            | Filter::RequestMirror(_)
            | Filter::ResponseHeaderModifier(_) => Ok(()),
        }
    }

    fn forward_identity<'h>(
        &mut self,
        headers: impl IntoIterator<Item = &'h ForwardHeader>,
    ) -> Result<()> {
        let mut headers = headers.into_iter();
        headers.try_for_each(|header| {
            fields::restore(header.name(), self.session.req_header(), self.request)
        })
    }
}
