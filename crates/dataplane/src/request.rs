use super::query;
use http::{HeaderMap, Method};

/// What routing sees of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'r> {
    /// The host it asks for: lower case, without port and final dot; empty when it names none.
    pub host: &'r str,
    /// The method.
    pub method: &'r Method,
    /// The path without the query, as rules are compared with it; see [`path_normalization`](super::path_normalization).
    /// The router itself decodes and removes nothing.
    pub path: &'r str,
    /// What follows `?`, as it was sent.
    pub query: Option<&'r str>,
    /// The headers.
    pub headers: &'r HeaderMap,
}

impl<'r> RequestView<'r> {
    /// The first value of a query parameter, still encoded; see [`query`].
    pub fn parameter(&self, name: &str) -> Option<&'r str> {
        query::first(self.query?, name)
    }
}
