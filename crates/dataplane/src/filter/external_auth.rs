//! The `ExternalAuth` filter: asks an authorization server about each request, over HTTP (GEP-1494).
//!
//! In: a client's request. Out: what the server is asked, and which headers of its answer the backend gets.

use super::header_modifier::{HeaderAction, Headers, refusal};
use super::security::forward_header::ForwardHeader;
use crate::backend::BackendTarget;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_RANGE, CONTENT_TYPE, DATE, HOST, SERVER,
};
use http::{HeaderMap, HeaderName};
use std::fmt;
use std::sync::Arc;

/// `ExternalAuth` with the protocol HTTP.
#[derive(Debug)]
pub struct ExternalAuth {
    /// `namespace/service:port`, for logs.
    pub name: Arc<str>,
    /// The authorization server.
    pub target: BackendTarget,
    /// What comes before the path of the request. It begins with `/` and doesn't end with it, or is empty.
    pub path_prefix: Box<str>,
    /// The headers of the request that the server gets, beside `Host` and `Authorization`.
    pub request_headers: Box<[HeaderName]>,
    /// The headers of the server's answer that the backend gets.
    pub copied: CopiedHeaders,
}

/// The headers of an authorization server's answer that the backend gets.
#[derive(Debug)]
pub enum CopiedHeaders {
    /// All but those that belong to the connection or describe the content of the answer.
    All,
    /// These. What the client has sent under their names is removed.
    Listed(Box<[ForwardHeader]>),
}

impl ExternalAuth {
    /// Returns the target of the request to the server.
    pub fn target_of(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.path_prefix)
    }

    /// Whether the server gets a header of the request.
    pub fn sends(&self, name: &HeaderName) -> bool {
        *name == AUTHORIZATION || self.request_headers.contains(name)
    }

    /// Replaces headers of the request by those of the server's answer. Returns the names of those that it has set.
    pub fn copy(&self, answer: &HeaderMap, request: &mut impl Headers) -> Vec<HeaderName> {
        let mut set = Vec::new();
        match &self.copied {
            CopiedHeaders::All => {
                for name in answer.keys().filter(|name| is_for_the_backend(name)) {
                    replace(name, answer, request, &mut set);
                }
            }
            CopiedHeaders::Listed(headers) => {
                for header in headers {
                    header.replace(request, None);
                    replace(header.name(), answer, request, &mut set);
                }
            }
        }
        set
    }
}

fn replace(
    name: &HeaderName,
    answer: &HeaderMap,
    request: &mut impl Headers,
    set: &mut Vec<HeaderName>,
) {
    if !answer.contains_key(name) {
        return;
    }
    request.remove(name);
    for value in answer.get_all(name) {
        request.append(name, value);
    }
    set.push(name.clone());
}

/// Whether a header of an answer says anything to a backend.
fn is_for_the_backend(name: &HeaderName) -> bool {
    const OF_THE_ANSWER: [HeaderName; 9] = [
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_LENGTH,
        CONTENT_LOCATION,
        CONTENT_RANGE,
        CONTENT_TYPE,
        DATE,
        HOST,
        SERVER,
    ];
    !OF_THE_ANSWER.contains(name) && refusal(name, HeaderAction::Set).is_none()
}

impl fmt::Display for ExternalAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, target) = (&self.name, &self.target);
        write!(f, " asks [{name} {target} {}*", self.path_prefix)?;
        for name in &self.request_headers {
            write!(f, " gets {name}")?;
        }
        match &self.copied {
            CopiedHeaders::All => f.write_str(" sets all")?,
            CopiedHeaders::Listed(headers) => headers
                .iter()
                .try_for_each(|header| write!(f, " sets {header}"))?,
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (HeaderName::from_static(name), value)
        });
        fields.collect()
    }

    fn filter(copied: CopiedHeaders) -> ExternalAuth {
        ExternalAuth {
            name: "auth".into(),
            target: BackendTarget::NoEndpoints,
            path_prefix: "/check".into(),
            request_headers: [HeaderName::from_static("cookie")].into(),
            copied,
        }
    }

    #[test]
    fn what_is_listed_is_removed_even_if_the_server_does_not_send_it() {
        let listed = ["x-user", "x-groups"].map(|name| {
            ForwardHeader::new(HeaderName::from_static(name)).expect("a header that may be set")
        });
        let filter = filter(CopiedHeaders::Listed(Box::new(listed)));
        let mut request = headers(&[
            ("x-user", "forged"),
            ("x_groups", "forged"),
            ("x-other", "1"),
        ]);
        let answer = headers(&[("x-user", "alice"), ("x-other", "2")]);
        let set = filter.copy(&answer, &mut request);
        assert_eq!(set.len(), 1);
        assert_eq!(request, headers(&[("x-user", "alice"), ("x-other", "1")]));
    }

    #[test]
    fn all_headers_are_those_that_mean_something_to_a_backend() {
        let filter = filter(CopiedHeaders::All);
        let mut request = headers(&[("host", "shop"), ("content-type", "application/json")]);
        let answer = headers(&[
            ("host", "auth"),
            ("content-type", "text/html"),
            ("content-length", "5"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("x-user", "alice"),
        ]);
        filter.copy(&answer, &mut request);
        let wanted = [
            ("host", "shop"),
            ("content-type", "application/json"),
            ("x-user", "alice"),
        ];
        assert_eq!(request, headers(&wanted));
    }

    #[test]
    fn the_server_gets_the_path_behind_the_prefix_and_few_headers() {
        let filter = filter(CopiedHeaders::All);
        assert_eq!(filter.target_of("/a?b"), "/check/a?b");
        let sent = ["authorization", "cookie", "x-user"].map(HeaderName::from_static);
        assert_eq!(sent.map(|name| filter.sends(&name)), [true, true, false]);
    }
}
