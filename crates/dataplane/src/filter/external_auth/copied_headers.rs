//! The headers of an authorization server's answer that the backend gets.

use crate::filter::header_modifier::{HeaderAction, Headers, refusal};
use crate::filter::security::forward_header::ForwardHeader;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE,
    CONTENT_TYPE, DATE, HOST, SERVER,
};
use http::{HeaderMap, HeaderName};
use std::fmt;

/// The headers of an authorization server's answer that the backend gets.
#[derive(Debug)]
pub enum CopiedHeaders {
    /// All but those that belong to the connection or describe the content of the answer.
    All,
    /// These. What the client has sent under their names is removed.
    Listed(Box<[ForwardHeader]>),
}

impl CopiedHeaders {
    /// Replaces headers of the request by those of the server's answer. Without an answer, only removes what the client must not
    /// set. Returns the names of those that it has set.
    pub fn copy(&self, answer: Option<&HeaderMap>, request: &mut impl Headers) -> Vec<HeaderName> {
        let mut set = Vec::new();
        match self {
            CopiedHeaders::All => {
                let names = answer.into_iter().flat_map(HeaderMap::keys);
                let names = names.filter(|name| is_for_the_backend(name));
                let names: Vec<&HeaderName> = names.collect();
                // First, since the answer itself may have names that are alike.
                for name in &names {
                    if let Ok(header) = ForwardHeader::new((*name).clone()) {
                        header.replace(request, None);
                    }
                }
                for name in names {
                    replace(name, answer, request, &mut set);
                }
            }
            CopiedHeaders::Listed(headers) => {
                for header in headers {
                    header.replace(request, None);
                }
                for header in headers {
                    replace(header.name(), answer, request, &mut set);
                }
            }
        }
        set
    }
}

fn replace(
    name: &HeaderName,
    answer: Option<&HeaderMap>,
    request: &mut impl Headers,
    set: &mut Vec<HeaderName>,
) {
    let Some(answer) = answer.filter(|answer| answer.contains_key(name)) else {
        return;
    };
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

impl fmt::Display for CopiedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopiedHeaders::All => f.write_str(" sets all"),
            CopiedHeaders::Listed(headers) => headers
                .iter()
                .try_for_each(|header| write!(f, " sets {header}")),
        }
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

    fn listed() -> CopiedHeaders {
        let listed = ["x-user", "x-groups"].map(|name| {
            ForwardHeader::new(HeaderName::from_static(name)).expect("a header that may be set")
        });
        CopiedHeaders::Listed(Box::new(listed))
    }

    #[test]
    fn what_is_listed_is_removed_even_if_the_server_does_not_send_it() {
        let sent = [
            ("x-user", "forged"),
            ("x_groups", "forged"),
            ("x-other", "1"),
        ];
        let mut request = headers(&sent);
        let answer = headers(&[("x-user", "alice"), ("x-other", "2")]);
        let set = listed().copy(Some(&answer), &mut request);
        assert_eq!(set.len(), 1);
        assert_eq!(request, headers(&[("x-user", "alice"), ("x-other", "1")]));
        let mut request = headers(&sent);
        assert!(listed().copy(None, &mut request).is_empty());
        assert_eq!(request, headers(&[("x-other", "1")]), "without an answer");
    }

    #[test]
    fn all_headers_are_those_that_mean_something_to_a_backend() {
        let mut request = headers(&[("host", "shop"), ("content-type", "application/json")]);
        let answer = headers(&[
            ("host", "auth"),
            ("content-type", "text/html"),
            ("content-length", "5"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("x-user", "alice"),
            ("x-role", "a"),
            ("x_role", "b"),
        ]);
        for name in ["x-user", "x_user", "x.user", "x.role"] {
            let name = HeaderName::from_static(name);
            request.append(name, HeaderValue::from_static("forged"));
        }
        CopiedHeaders::All.copy(Some(&answer), &mut request);
        let wanted = [
            ("host", "shop"),
            ("content-type", "application/json"),
            ("x-user", "alice"),
            ("x-role", "a"),
            ("x_role", "b"),
        ];
        assert_eq!(request, headers(&wanted));
    }
}
