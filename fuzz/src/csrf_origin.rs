//! The origin of a request that changes something.

use gatefold_dataplane::filter::request_mirror::Share;
use gatefold_dataplane::filter::scheme::Scheme;
use gatefold_dataplane::filter::security::csrf::{CsrfFilter, Site};
use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderValue, Method, Uri};

const HOST: &str = "www.example.com";

/// Sends the bytes as `Origin` and as `Referer`. One that passes must be a URL of the host.
pub fn check(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let filter = CsrfFilter {
        enforced: Share::new(1, 1, 0),
        additional: Vec::new(),
    };
    for name in [ORIGIN, REFERER] {
        let headers: HeaderMap = [(name, value.clone())].into_iter().collect();
        let target = Site::new(HOST, None, Scheme::Https);
        if filter.check(&Method::POST, &headers, target).is_err() {
            continue;
        }
        let text = value.to_str().expect("what passes is a text");
        // The filter reads nothing behind the host, and this parser refuses more there.
        if let Ok(uri) = text.parse::<Uri>() {
            let host = uri.host().unwrap_or_default();
            let host = host.strip_suffix('.').unwrap_or(host);
            assert!(host.eq_ignore_ascii_case(HOST), "{text:?} passes");
        }
    }
}
