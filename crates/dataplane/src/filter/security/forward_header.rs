//! Headers by which a backend learns who the client is.

use crate::filter::header_modifier::{HeaderAction, Headers, refusal};
use http::{HeaderName, HeaderValue};
use std::fmt;

/// A header that a policy sets for the backend (`forwardClientIDHeader`, `forwardUsernameHeader`). The client can't set it: what
/// it has sent under this name is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardHeader(HeaderName);

impl ForwardHeader {
    /// Accepts a name.
    ///
    /// # Errors
    /// If the header belongs to the connection or is `Host`. The text says which, and what to do.
    pub fn new(name: HeaderName) -> Result<Self, String> {
        // `Host` can't be removed, so neither can a client's value for it.
        let refused = refusal(&name, HeaderAction::Set).or(refusal(&name, HeaderAction::Remove));
        match refused {
            None => Ok(ForwardHeader(name)),
            Some(why) => Err(why),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &HeaderName {
        &self.0
    }

    /// Replaces what the client has sent. `None` only removes it. Returns whether the client has sent anything.
    pub fn replace(&self, headers: &mut impl Headers, value: Option<&HeaderValue>) -> bool {
        let forged: Vec<HeaderName> = headers
            .fields()
            .keys()
            .filter(|name| self.is_confused_with(name))
            .cloned()
            .collect();
        for name in &forged {
            headers.remove(name);
        }
        if let Some(value) = value {
            headers.set(&self.0, value);
        }
        !forged.is_empty()
    }

    fn is_confused_with(&self, other: &HeaderName) -> bool {
        are_confusable(&self.0, other)
    }
}

/// Whether a backend may take one header for the other. CGI and its descendants (PHP, WSGI, Rack) turn `-` into `_` (RFC 3875,
/// section 4.1.18), and some servers every character but letters and digits, so to them `x_user` and `x.user` are `x-user`.
pub fn are_confusable(one: &HeaderName, other: &HeaderName) -> bool {
    let (one, other) = (one.as_str(), other.as_str());
    let folded = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            byte
        } else {
            b'_'
        }
    };
    one.len() == other.len() && one.bytes().map(folded).eq(other.bytes().map(folded))
}

impl fmt::Display for ForwardHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn header(name: &'static str) -> Result<ForwardHeader, String> {
        ForwardHeader::new(HeaderName::from_static(name))
    }

    #[test]
    fn removes_every_spelling_that_a_backend_may_confuse() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-user-id",
            "x_user_id",
            "x-user_id",
            "x.user~id",
            "x-user-idx",
            "xuserid",
        ] {
            let name = HeaderName::from_static(name);
            headers.append(&name, HeaderValue::from_static("forged"));
            headers.append(&name, HeaderValue::from_static("again"));
        }
        let user = HeaderValue::from_static("alice");
        let forward = header("x-user-id").expect("a name");
        assert!(forward.replace(&mut headers, Some(&user)));
        let values: Vec<&HeaderValue> = headers.get_all("x-user-id").iter().collect();
        assert_eq!(values, ["alice"]);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["x-user-id", "x-user-idx", "xuserid"]);
        assert!(forward.replace(&mut headers, None));
        assert_eq!(headers.get("x-user-id"), None);
        assert!(!forward.replace(&mut headers, None), "nothing is left");
    }

    #[test]
    fn refuses_headers_of_the_connection_and_the_host() {
        for name in ["host", "connection", "content-length", "transfer-encoding"] {
            assert!(header(name).is_err(), "{name}");
        }
    }
}
