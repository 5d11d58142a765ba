//! The fields of a request without how their names were spelled.
//!
//! Pingora keeps the spelling in a second map, which is copied for the backend and changed along with the first: for a
//! browser's request as much work as all that gatefold adds. HTTP takes `Host` and `hOST` for the same (RFC 9110, section
//! 5.1), and over HTTP/2 there is lower case only.

use http::request::Parts;
use http::{HeaderMap, Request};
use pingora_http::RequestHeader;

/// Names go to the backend in lower case from here on, but for a few that Pingora writes as usual, `Host` among them.
///
/// The target must be a path: Pingora keeps others beside the URI, and they would be lost.
pub(super) fn forget_spelling(request: &mut RequestHeader) {
    if request.has_case() {
        *request = RequestHeader::from(take(request));
    }
}

/// Changes the fields of a request whose names have no spelling, without Pingora's detour by text for each name.
///
/// The target must be a path, as for [`forget_spelling`].
pub(super) fn change<T>(
    request: &mut RequestHeader,
    change: impl FnOnce(&mut HeaderMap) -> T,
) -> T {
    debug_assert!(!request.has_case(), "spellings would be lost");
    let mut parts = take(request);
    let result = change(&mut parts.headers);
    *request = RequestHeader::from(parts);
    result
}

/// What there is of the request, which is an empty one until it is put back.
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
    use http::HeaderValue;
    use http::header::ACCEPT;

    fn request() -> RequestHeader {
        let mut request = RequestHeader::build("PUT", b"/a?b", None).expect("a request");
        for value in ["1", "2"] {
            request.append_header("X-mY-nAME", value).expect("a header");
        }
        request
    }

    #[test]
    fn only_the_spelling_is_forgotten() {
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

    #[test]
    fn a_change_leaves_the_rest_as_it_was() {
        let mut request = request();
        forget_spelling(&mut request);
        let before = change(&mut request, |headers| {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"))
        });
        assert_eq!(before, None);
        assert_eq!(request.headers.len(), 3);
        assert_eq!(request.headers["accept"], "*/*");
        assert_eq!(request.method, "PUT");
        assert_eq!(request.raw_path(), b"/a?b");
    }
}
