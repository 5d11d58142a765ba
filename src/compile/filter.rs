use crate::dataplane::filter::Filters;
use crate::dataplane::filter::header_modifier::HeaderModifier;
use crate::graph::http_route::FilterNode;
use crate::manifest::api::{HTTPHeader, HTTPHeaderFilter};
use http::{HeaderName, HeaderValue};

/// The filters of a rule or a backend, in the order of the manifest.
pub(super) fn filters(nodes: &[FilterNode]) -> Filters {
    let mut filters = Filters::default();
    for node in nodes {
        match node {
            FilterNode::RequestHeaderModifier(headers) => {
                filters.request_headers.push(modifier(headers));
            }
            FilterNode::ResponseHeaderModifier(headers) => {
                filters.response_headers.push(modifier(headers));
            }
        }
    }
    filters
}

fn modifier(filter: &HTTPHeaderFilter) -> HeaderModifier {
    let remove = filter.remove.iter();
    HeaderModifier {
        set: filter.set.iter().filter_map(header).collect(),
        add: filter.add.iter().filter_map(header).collect(),
        remove: remove.filter_map(|name| parse(name.as_str())).collect(),
    }
}

/// Nothing only for what the loader doesn't let through: names and values are checked when they are read.
fn header(header: &HTTPHeader) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(&header.value).ok()?;
    Some((parse(header.name.as_str())?, value))
}

fn parse(name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).ok()
}
