//! The response phase: filters that change the response to the client, or answer instead.

use super::headers::ResponseFields;
use super::{FilterOwner, FilterPosition, Run};
use crate::context::RequestContext;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::{Filter, FilterStep};
use http::HeaderMap;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// The first filter for a backend's response. The filters of the backend run before those of the rule.
pub(crate) const FIRST: FilterPosition = FilterPosition {
    owner: FilterOwner::Backend,
    index: 0,
};

/// Runs the filters of a request from a position on.
pub(crate) fn run(
    from: FilterPosition,
    request: &HeaderMap,
    response: &mut ResponseHeader,
    context: &RequestContext,
) -> Run {
    let Some(rule) = &context.rule else {
        return Ok(None);
    };
    let mut from = from;
    loop {
        let filters = from.owner.filters(rule, context.backend);
        let filters = filters.map_or_else(Default::default, |filters| filters.iter());
        for (index, filter) in filters.enumerate().skip(from.index) {
            match decide(filter, request, response) {
                FilterStep::Continue => {}
                FilterStep::Answer(answer) => return Err(answer),
                FilterStep::Wait => return Ok(Some(FilterPosition { index, ..from })),
            }
        }
        match from.owner {
            FilterOwner::Backend => from = FilterPosition::first(FilterOwner::Rule),
            FilterOwner::Rule => return Ok(None),
        }
    }
}

/// Runs one filter.
fn decide(filter: &Filter, request: &HeaderMap, response: &mut ResponseHeader) -> FilterStep {
    #[cfg(test)]
    if let Some(probe) = super::probe::of(filter) {
        return probe.on_response();
    }
    let response = &mut ResponseFields(response);
    match filter {
        Filter::Cors(cors) => cors.change_response(request, response),
        Filter::ResponseHeaderModifier(modifier) => modifier.apply(response),
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
        | Filter::RequestMirror(_) => {}
    }
    FilterStep::Continue
}

/// Completes the filter at a position, which waits, and the filters after it.
///
/// # Errors
/// If a filter answers instead.
pub(crate) async fn resume(
    at: FilterPosition,
    session: &mut Session,
    response: &mut ResponseHeader,
    context: &mut RequestContext,
) -> Result<(), Box<FilterAnswer>> {
    let mut at = at;
    loop {
        match wait(at, session, response, context).await {
            FilterStep::Continue => {}
            FilterStep::Answer(answer) => return Err(answer),
            FilterStep::Wait => continue,
        }
        let request = &session.req_header().headers;
        match run(at.next(), request, response, context)? {
            Some(next) => at = next,
            None => return Ok(()),
        }
    }
}

/// Completes the filter at a position that has returned [`FilterStep::Wait`].
async fn wait(
    at: FilterPosition,
    _session: &mut Session,
    _response: &mut ResponseHeader,
    context: &mut RequestContext,
) -> FilterStep {
    let Some(rule) = context.rule.clone() else {
        return FilterStep::Continue;
    };
    let Some(filter) = at.filter(&rule, context.backend) else {
        return FilterStep::Continue;
    };
    #[cfg(test)]
    if let Some(probe) = super::probe::of(filter) {
        return probe.wait_response().await;
    }
    match filter {
        // None of them waits.
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
        | Filter::RequestMirror(_)
        | Filter::ResponseHeaderModifier(_) => FilterStep::Continue,
    }
}

/// Runs the filters of the rule on an answer of a filter. Returns the answer that replaces it, if a filter gives one.
pub(crate) async fn complete(
    session: &mut Session,
    response: &mut ResponseHeader,
    context: &mut RequestContext,
) -> Option<Box<FilterAnswer>> {
    let first = FilterPosition::first(FilterOwner::Rule);
    let request = &session.req_header().headers;
    match run(first, request, response, context) {
        Ok(None) => None,
        Ok(Some(at)) => resume(at, session, response, context).await.err(),
        Err(answer) => Some(answer),
    }
}
