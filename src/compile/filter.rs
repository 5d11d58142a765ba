use crate::dataplane::filter::Filters;
use crate::dataplane::filter::header_modifier::{Change, HeaderModifier, refusal};
use crate::graph::http_route::FilterNode;
use crate::manifest::api::{self, HTTPHeader, HTTPHeaderFilter};
use http::{HeaderName, HeaderValue};

/// The filters of a rule or a backend, in the order of the manifest. Nothing when one can't be done as written;
/// the graph has said so, and a filter is never left out.
pub(super) fn filters(nodes: &[FilterNode]) -> Option<Filters> {
    let mut filters = Filters::default();
    for node in nodes {
        match node {
            FilterNode::RequestHeaderModifier(headers) => {
                filters.request_headers.push(modifier(headers)?);
            }
            FilterNode::ResponseHeaderModifier(headers) => {
                filters.response_headers.push(modifier(headers)?);
            }
        }
    }
    Some(filters)
}

fn modifier(filter: &HTTPHeaderFilter) -> Option<HeaderModifier> {
    let remove = filter.remove.iter();
    Some(HeaderModifier {
        set: headers(&filter.set, Change::Set)?,
        add: headers(&filter.add, Change::Add)?,
        remove: remove
            .map(|header| name(header, Change::Remove))
            .collect::<Option<_>>()?,
    })
}

fn headers(headers: &[HTTPHeader], change: Change) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let header = |header: &HTTPHeader| {
        let value = HeaderValue::from_str(&header.value).ok()?;
        Some((name(&header.name, change)?, value))
    };
    headers.iter().map(header).collect()
}

/// The name, when it may be changed so.
fn name(name: &api::HeaderName, change: Change) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
    refusal(&name, change).is_none().then_some(name)
}
