//! Filters, one file each: changes to requests and responses.

pub mod cors;
/// `RequestHeaderModifier` and `ResponseHeaderModifier`.
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

/// The filters of a rule or a backend, in the order of the manifest.
#[derive(Debug, Default)]
pub struct Filters {
    /// Changes to the request's headers before it is forwarded.
    pub request_headers: Vec<HeaderModifier>,
    /// Changes to the response's headers before they are sent.
    pub response_headers: Vec<HeaderModifier>,
    /// Changes to the host and path of the forwarded request.
    pub rewrite: Option<UrlRewrite>,
    /// Mirrors that get a copy of the request.
    pub mirrors: Vec<RequestMirror>,
    /// The CORS settings. Only rules have them.
    pub cors: Option<Box<Cors>>,
}

impl Filters {
    /// Modifies a request's headers.
    pub fn change_request(&self, headers: &mut impl Headers) {
        for modifier in &self.request_headers {
            modifier.apply(headers);
        }
    }

    /// Modifies a response's headers.
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
