//! The identifier of a request: the client's, or a new one.

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_core::{Error, ErrorType, Result};
use std::fmt;
use uuid::Uuid;

/// The header with the identifier.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum length of a client's request identifier that is kept, in bytes.
const LONGEST_ID: usize = 128;

/// The identifier of a request in all logs.
#[derive(Debug)]
pub(crate) enum RequestId {
    /// The client's.
    Sent(HeaderValue),
    /// A new one, converted to text when needed.
    Made(Uuid),
}

impl RequestId {
    /// Returns the client's identifier if there is exactly one and it can be logged safely, or else a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(REQUEST_ID).iter();
        if let (Some(id), None) = (sent.next(), sent.next()) {
            let bytes = id.as_bytes();
            let fits = !bytes.is_empty() && bytes.len() <= LONGEST_ID;
            if fits && bytes.iter().all(u8::is_ascii_graphic) {
                return RequestId::Sent(id.clone());
            }
        }
        RequestId::make()
    }

    pub(super) fn make() -> Self {
        RequestId::Made(Uuid::new_v4())
    }

    /// Whether it is the client's.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self, RequestId::Sent(_))
    }

    pub(crate) fn value(&self) -> Result<HeaderValue> {
        let id = match self {
            RequestId::Sent(value) => return Ok(value.clone()),
            RequestId::Made(id) => id,
        };
        let mut buffer = Uuid::encode_buffer();
        let text = id.hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(text).map_err(|error| {
            let what = "making a request identifier";
            Error::because(ErrorType::InternalError, what, error)
        })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A client's identifier consists of visible ASCII characters.
            RequestId::Sent(value) => f.write_str(value.to_str().unwrap_or_default()),
            RequestId::Made(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(id: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(id))])
    }

    #[test]
    fn keeps_only_a_safe_identifier() {
        let sane = headers("abc-123");
        assert_eq!(RequestId::of(&sane).to_string(), "abc-123");
        let blank = RequestId::of(&headers("a b"));
        let value = blank.value().expect("a value");
        assert_eq!(value.len(), 36, "{blank:?}");
        assert_eq!(
            value,
            blank.to_string(),
            "the log shows the identifier that the backend gets"
        );
    }
}
