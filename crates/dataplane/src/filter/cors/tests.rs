//! CORS answers and headers.

use super::*;

fn cors(origins: &[&str], credentials: Credentials) -> Cors {
    let patterns = origins.iter().map(|it| OriginPattern::parse(it).unwrap());
    Cors {
        origins: match origins {
            ["*"] => Origins::Any,
            _ => Origins::Listed(patterns.collect()),
        },
        credentials,
        methods: Allowed::Any,
        headers: Allowed::Any,
        expose: Exposed::Any,
        max_age: HeaderValue::from_static("5"),
    }
}

fn request(origin: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ORIGIN, origin.parse().unwrap());
    headers.insert(ACCESS_CONTROL_REQUEST_METHOD, "PUT".parse().unwrap());
    let asked = "authorization, x-a".parse().unwrap();
    headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, asked);
    headers
}

#[test]
fn only_options_with_origin_and_method_is_a_preflight_request() {
    let complete = request("https://a.example");
    assert_eq!(
        announced_method(&Method::OPTIONS, &complete),
        Some(Method::PUT)
    );
    assert_eq!(announced_method(&Method::GET, &complete), None);
    for name in [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD] {
        let mut headers = complete.clone();
        headers.remove(name);
        assert_eq!(announced_method(&Method::OPTIONS, &headers), None);
    }
    let mut malformed = complete;
    malformed.insert(ACCESS_CONTROL_REQUEST_METHOD, "a b".parse().unwrap());
    assert_eq!(announced_method(&Method::OPTIONS, &malformed), None);
}

fn preflight(cors: &Cors, origin: &str) -> HeaderMap {
    cors.answer_preflight(&request(origin)).headers
}

#[test]
fn compares_origins_by_scheme_host_and_port() {
    for (pattern, origin, matches) in [
        ("https://example.com", "https://example.com", true),
        ("https://example.com", "https://example.com:443", true),
        ("https://example.com:443", "https://EXAMPLE.com", true),
        ("https://example.com", "http://example.com", false),
        ("https://example.com", "https://example.com:8443", false),
        ("https://example.com", "https://example.com.evil", false),
        ("https://*.example.com", "https://www.example.com", true),
        ("https://*.example.com", "https://a.b.example.com", true),
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://.example.com", false),
        ("https://*.example.com", "https://evilexample.com", false),
        ("https://*.example.com", "https://a.example.com:1", false),
        ("https://*.example.com", "https://evil/.example.com", false),
        ("http://*:8080", "http://any.example:8080", true),
        ("http://*", "http://[::1]", true),
        ("https://*", "null", false),
        ("https://*", "https://", false),
    ] {
        let list = cors(&[pattern], Credentials::Omitted).origins;
        let origin = HeaderValue::from_static(origin);
        assert_eq!(list.contain(&origin), matches, "{pattern} {origin:?}");
    }
}

#[test]
fn answers_without_a_star_if_credentials_are_allowed() {
    let cors = cors(&["*"], Credentials::Allowed);
    let response = preflight(&cors, "https://a.example");
    assert_eq!(response[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    assert_eq!(response[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(response[ACCESS_CONTROL_ALLOW_METHODS], "PUT");
    let headers = &response[ACCESS_CONTROL_ALLOW_HEADERS];
    assert_eq!(headers, "authorization, x-a");
    let mut response = HeaderMap::new();
    response.insert("x-b", HeaderValue::from_static("1"));
    cors.change_response(&request("https://a.example"), &mut response);
    assert_eq!(response[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    let exposed = response[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
    assert!(
        exposed.contains("x-b") && !exposed.contains('*'),
        "{exposed}"
    );
    assert_eq!(response[VARY], "Origin", "caches must distinguish origins");
}

#[test]
fn answers_all_origins_alike_without_credentials() {
    let cors = cors(&["*"], Credentials::Omitted);
    let mut response = HeaderMap::new();
    cors.change_response(&request("https://a.example"), &mut response);
    assert_eq!(response[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(response[ACCESS_CONTROL_EXPOSE_HEADERS], "*");
    assert!(!response.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    assert!(!response.contains_key(VARY));
}

#[test]
fn denies_other_origins_and_tells_caches_to_distinguish_them() {
    let cors = cors(&["https://a.example"], Credentials::Allowed);
    let response = preflight(&cors, "https://b.example");
    assert_eq!(response.keys().collect::<Vec<_>>(), [VARY]);
    let mut response = HeaderMap::new();
    response.insert(VARY, HeaderValue::from_static("accept, ORIGIN"));
    cors.change_response(&request("https://b.example"), &mut response);
    assert_eq!(
        response.get_all(VARY).iter().count(),
        1,
        "`Vary` already names the origin"
    );
    assert_eq!(response.len(), 1, "{response:?}");
}

#[test]
fn replaces_the_cors_headers_of_a_backend() {
    let cors = cors(&["https://a.example"], Credentials::Omitted);
    for (origin, kept) in [("https://a.example", 1), ("https://b.example", 0)] {
        let mut response = HeaderMap::new();
        for value in ["*", "https://b.example"] {
            response.append(ACCESS_CONTROL_ALLOW_ORIGIN, value.parse().unwrap());
        }
        let allowed = HeaderValue::from_static("true");
        response.append(ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
        cors.change_response(&request(origin), &mut response);
        let values = response.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter();
        assert_eq!(values.count(), kept, "{response:?}");
        assert!(!response.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
