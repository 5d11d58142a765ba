//! Filters, one file each: what changes on a request's or a response's way.

pub mod cors;
/// Header modifiers.
pub mod header_modifier;
pub mod path_modifier;
pub mod request_mirror;
pub mod request_redirect;
pub mod url_rewrite;

use cors::Cors;
use header_modifier::{HeaderModifier, Headers};
use request_mirror::RequestMirror;
use std::fmt;
use url_rewrite::UrlRewrite;

/// What is done to a request and its response, in the order of the manifest.
#[derive(Debug, Default)]
pub struct Filters {
    /// To the request's headers, before it is forwarded.
    pub request_headers: Vec<HeaderModifier>,
    /// To the response's headers, before they are sent.
    pub response_headers: Vec<HeaderModifier>,
    /// To the host and path that a backend is asked for.
    pub rewrite: Option<UrlRewrite>,
    /// Where else the request goes.
    pub mirrors: Vec<RequestMirror>,
    /// What scripts of other origins may do; on rules only.
    pub cors: Option<Box<Cors>>,
}

impl Filters {
    /// Changes a request's headers.
    pub fn change_request(&self, headers: &mut impl Headers) {
        for modifier in &self.request_headers {
            modifier.apply(headers);
        }
    }

    /// Changes a response's headers.
    pub fn change_response(&self, headers: &mut impl Headers) {
        for modifier in &self.response_headers {
            modifier.apply(headers);
        }
    }
}

impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for modifier in &self.request_headers {
            write!(f, " request{modifier}")?;
        }
        for modifier in &self.response_headers {
            write!(f, " response{modifier}")?;
        }
        if let Some(rewrite) = &self.rewrite {
            rewrite.fmt(f)?;
        }
        for mirror in &self.mirrors {
            mirror.fmt(f)?;
        }
        match &self.cors {
            Some(cors) => cors.fmt(f),
            None => Ok(()),
        }
    }
}
