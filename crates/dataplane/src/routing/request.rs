//! The parts of a request that routing reads.

use super::query;
use http::{HeaderMap, Method, Version};

/// A request as routing sees it.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'r> {
    /// The requested host: lower case, without port and final dot. Empty if the request names none.
    pub host: &'r str,
    /// The version of HTTP.
    pub version: Version,
    /// The method.
    pub method: &'r Method,
    /// The path without the query, in the form that rules are compared with; see
    /// [`path_normalization`](crate::path_normalization). The router itself decodes and removes nothing.
    pub path: &'r str,
    /// The query as sent, without the `?`.
    pub query: Option<&'r str>,
    /// The headers.
    pub headers: &'r HeaderMap,
}

impl<'r> RequestView<'r> {
    /// Returns the first value of a query parameter, still encoded; see [`query`].
    pub fn parameter(&self, name: &str) -> Option<&'r str> {
        query::first(self.query?, name)
    }
}
