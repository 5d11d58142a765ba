//! Lets filters change headers as Pingora stores them, with the spelling of each name.
//!
//! Both the trait and Pingora's types belong to other crates, so each type has a wrapper here.

use gatefold_dataplane::filter::header_modifier::Headers;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};

/// The header fields of a request, as filters change them.
pub(crate) struct RequestFields<'h>(pub &'h mut RequestHeader);

/// The header fields of a response, as filters change them.
pub(crate) struct ResponseFields<'h>(pub &'h mut ResponseHeader);

// A change fails at 32,768 names, a hundred times the limit for requests; the message is then forwarded unchanged.

impl Headers for RequestFields<'_> {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.0.insert_header(name, value.clone());
    }

    fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.0.append_header(name, value.clone());
    }

    fn remove(&mut self, name: &HeaderName) {
        self.0.remove_header(name);
    }

    fn fields(&self) -> &HeaderMap {
        &self.0.headers
    }
}

impl Headers for ResponseFields<'_> {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.0.insert_header(name, value.clone());
    }

    fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.0.append_header(name, value.clone());
    }

    fn remove(&mut self, name: &HeaderName) {
        self.0.remove_header(name);
    }

    fn fields(&self) -> &HeaderMap {
        &self.0.headers
    }
}
