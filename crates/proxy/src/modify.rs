//! Lets the filters change headers as Pingora keeps them: it notes how each name was spelled.

use gatefold_dataplane::filter::header_modifier::Headers;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};

// Changes fail at 32,768 names, a hundred times what is let in; the message then goes on unchanged.

impl Headers for RequestHeader {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.insert_header(name, value.clone());
    }

    fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.append_header(name, value.clone());
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }

    fn fields(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Headers for ResponseHeader {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.insert_header(name, value.clone());
    }

    fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.append_header(name, value.clone());
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }

    fn fields(&self) -> &HeaderMap {
        &self.headers
    }
}
