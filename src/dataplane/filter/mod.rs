//! Filters, one file each: what changes on a request's or a response's way.

pub mod header_modifier;

use header_modifier::HeaderModifier;

/// What is done to a request and its response, in the order of the manifest.
#[derive(Debug, Default)]
pub struct Filters {
    /// To the request's headers, before it is forwarded.
    pub request_headers: Vec<HeaderModifier>,
    /// To the response's headers, before they are sent.
    pub response_headers: Vec<HeaderModifier>,
}
