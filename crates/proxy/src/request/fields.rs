//! Request headers without the spelling of their names.
//!
//! Pingora stores the spelling in a second map, which is copied for the backend and updated along with the first. For a
//! browser's request this is as much work as everything that gatefold adds. HTTP header names are case-insensitive (RFC 9110,
//! section 5.1), and HTTP/2 only has lower case.

use http::header::{CONTENT_LENGTH, MaxSizeReached, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;

/// Forwards header names in lower case from here on, except a few that Pingora writes in the usual way, such as `Host`.
///
/// The target must be a path: Pingora stores other targets beside the URI, and they would be lost.
pub(crate) fn forget_spelling(request: &mut RequestHeader) {
    if request.has_case() {
        *request = RequestHeader::from(take(request));
    }
}

/// Returns the length of a body. `None` if it is unknown.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The transfer coding of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferCoding {
    /// There is none.
    Absent,
    /// Only `chunked`, which every recipient understands.
    Chunked,
    /// Any other coding, or several.
    Other,
}

impl TransferCoding {
    /// Reads the transfer coding of a message.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (None, _) => TransferCoding::Absent,
            (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => {
                TransferCoding::Chunked
            }
            (Some(_), _) => TransferCoding::Other,
        }
    }
}

/// Restores a header that gatefold has set in the client's request, in the request to an endpoint. Pingora removes the headers that
/// `Connection` lists, and the client has written that list.
///
/// # Errors
/// If the request has 32,768 names, a hundred times the limit for requests.
pub(crate) fn restore(
    name: &HeaderName,
    session: &RequestHeader,
    request: &mut RequestHeader,
) -> Result<()> {
    let mut values = session.headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(());
    };
    request.insert_header(name, first.clone())?;
    for value in values {
        request.append_header(name, value.clone())?;
    }
    Ok(())
}

/// A header that a request must have exactly once with this value, or not at all.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: HeaderName,
    /// The spelling for backends that get spelled names.
    pub(crate) spelling: &'static str,
    /// `None` if the request must not have the header.
    pub(crate) value: Option<HeaderValue>,
}

/// Replaces all values of each header.
///
/// The target must be a path, as for [`forget_spelling`].
///
/// # Errors
/// If the request has 32,768 names, a hundred times the limit for requests.
pub(crate) fn overwrite<const COUNT: usize>(
    request: &mut RequestHeader,
    fields: [Field; COUNT],
) -> Result<()> {
    if request.has_case() {
        return fields.into_iter().try_for_each(|field| match field.value {
            Some(value) => request.insert_header(field.spelling, value),
            None => {
                request.remove_header(&field.name);
                Ok(())
            }
        });
    }
    // Avoids Pingora's conversion of each name to text.
    let mut parts = take(request);
    let result = overwrite_all(&mut parts.headers, fields);
    *request = RequestHeader::from(parts);
    result.map_err(|error| {
        let what = "adding fields to a request";
        Error::because(ErrorType::InvalidHTTPHeader, what, error)
    })
}

fn overwrite_all<const COUNT: usize>(
    headers: &mut HeaderMap,
    fields: [Field; COUNT],
) -> Result<(), MaxSizeReached> {
    headers.try_reserve(COUNT)?;
    for field in fields {
        match field.value {
            Some(value) => _ = headers.try_insert(field.name, value)?,
            None => _ = headers.remove(field.name),
        }
    }
    Ok(())
}

/// Takes the parts of a request, which is left empty until they are put back.
fn take(request: &mut RequestHeader) -> Parts {
    debug_assert!(
        request
            .uri
            .path_and_query()
            .map(|target| target.as_str().as_bytes())
            == Some(request.raw_path()),
        "the target isn't a path"
    );
    let (nothing, ()) = Request::new(()).into_parts();
    std::mem::replace(request, RequestHeader::from(nothing)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT;

    fn request() -> RequestHeader {
        let mut request = RequestHeader::build("PUT", b"/a?b", None).expect("a request");
        for value in ["1", "2"] {
            request.append_header("X-mY-nAME", value).expect("a header");
        }
        request
    }

    #[test]
    fn forgets_only_the_spelling() {
        let mut request = request();
        forget_spelling(&mut request);
        let mut wire = Vec::new();
        request.header_to_h1_wire(&mut wire);
        assert_eq!(
            String::from_utf8_lossy(&wire),
            "x-my-name: 1\r\nx-my-name: 2\r\n"
        );
        assert_eq!(request.method, "PUT");
        assert_eq!(request.raw_path(), b"/a?b");
    }

    fn fields() -> [Field; 2] {
        let field = |name, spelling, value| Field {
            name: HeaderName::from_static(name),
            spelling,
            value,
        };
        [
            field(
                "x-my-name",
                "X-My-Name",
                Some(HeaderValue::from_static("3")),
            ),
            field("x-other", "X-Other", None),
        ]
    }

    #[test]
    fn overwrites_all_values_with_and_without_spellings() {
        for keeps_spelling in [false, true] {
            let mut request = request();
            for name in ["X-OTHER", "x-Other"] {
                request.append_header(name, "forged").expect("a header");
            }
            if !keeps_spelling {
                forget_spelling(&mut request);
            }
            request.append_header(ACCEPT, "*/*").expect("a header");
            overwrite(&mut request, fields()).expect("few fields");
            let mut wire = Vec::new();
            request.header_to_h1_wire(&mut wire);
            let expected = if keeps_spelling {
                "X-My-Name: 3\r\nAccept: */*\r\n"
            } else {
                "x-my-name: 3\r\nAccept: */*\r\n"
            };
            let wire = String::from_utf8_lossy(&wire);
            assert_eq!(wire.to_lowercase(), expected.to_lowercase());
            assert!(wire.starts_with(&expected[..12]), "{wire}");
            assert_eq!(request.headers.len(), 2);
            assert_eq!(request.method, "PUT");
            assert_eq!(request.raw_path(), b"/a?b");
        }
    }
}
