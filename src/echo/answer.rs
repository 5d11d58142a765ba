//! The answer to a request, in the format of the Gateway API's `echo-basic`.

use super::json::marshal_indent;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header};
use rustls::{ProtocolVersion, ServerConnection};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The identity of the backend in its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Its namespace.
    pub namespace: String,
    /// The ingress that it belongs to; usually empty.
    pub ingress: String,
    /// The Service that it belongs to; usually empty.
    pub service: String,
    /// Its pod name.
    pub pod: String,
}

/// Whether `/health`, `/status/NNN` and `?delay=` have a meaning of their own, as in echo-basic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnPaths {
    /// They have.
    #[default]
    Answered,
    /// They are answered like other paths, so that a user's own paths aren't hidden. `X-Echo-Set-Status` and `X-Echo-Delay` ask
    /// for the same.
    Echoed,
}

/// What the answers of a backend have in common.
#[derive(Debug)]
pub(super) struct Answers {
    pub identity: Identity,
    /// The port in answers.
    pub http_port: String,
    pub own_paths: OwnPaths,
}

/// The answer, in the order of `RequestAssertions` of echo-basic.
#[derive(Serialize)]
struct EchoAnswer<'a> {
    path: String,
    host: &'a str,
    method: &'a str,
    proto: &'static str,
    headers: BTreeMap<String, Vec<String>>,
    #[serde(rename = "httpPort")]
    http_port: &'a str,
    #[serde(flatten)]
    identity: &'a Identity,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a TlsSession>,
}

/// The TLS session of a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TlsSession {
    version: String,
    server_name: String,
    negotiated_protocol: String,
    cipher_suite: String,
}

impl TlsSession {
    /// Describes an established session.
    pub(super) fn of(connection: &ServerConnection) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
            other => format!("{other:?}"),
        };
        let suite = connection.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str());
        let protocol = connection.alpn_protocol().unwrap_or_default();
        TlsSession {
            version,
            server_name: connection.server_name().unwrap_or_default().to_owned(),
            negotiated_protocol: String::from_utf8_lossy(protocol).into_owned(),
            cipher_suite: suite.unwrap_or_default().to_owned(),
        }
    }
}

impl Answers {
    /// Answers a request: with the status that it asks for, or else with a description of it. Like echo-basic, `/health` is answered
    /// with OK and `/status/NNN` with that status, unless these paths have no meaning of their own.
    pub(super) fn answer(&self, request: &Parts, tls: Option<&TlsSession>) -> Response<Vec<u8>> {
        let path = request.uri.path();
        if let Some(status) = request.headers.get("x-echo-set-status") {
            return with_status(status.to_str().unwrap_or_default());
        }
        if self.own_paths == OwnPaths::Answered {
            if path == "/health" {
                return Response::new(b"OK".to_vec());
            }
            if let Some(status) = path.strip_prefix("/status/") {
                return with_status(status);
            }
        }
        let echo = EchoAnswer {
            path: request_target(request),
            host: host(request),
            method: request.method.as_str(),
            proto: proto(request.version),
            headers: go_headers(&request.headers),
            http_port: &self.http_port,
            identity: &self.identity,
            tls,
        };
        describe(&echo, &request.headers)
    }

    /// The delay before the answer that `X-Echo-Delay` requests, or `?delay=` unless it has no meaning of its own, in Go's format
    /// for durations.
    pub(super) fn delay(&self, request: &Parts) -> Option<Duration> {
        if let Some(delay) = request.headers.get("x-echo-delay") {
            return go_duration(delay.to_str().ok()?);
        }
        let query = request.uri.query().unwrap_or_default();
        let mut pairs = query.split('&');
        let delay = pairs.find_map(|pair| pair.strip_prefix("delay="))?;
        go_duration(delay).filter(|_| self.own_paths == OwnPaths::Answered)
    }
}

fn describe(echo: &EchoAnswer<'_>, requested: &HeaderMap) -> Response<Vec<u8>> {
    match marshal_indent(echo) {
        Ok(body) => {
            let mut response = Response::new(body);
            *response.headers_mut() = requested_headers(requested);
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            response
        }
        Err(error) => {
            let mut response = Response::new(error.to_string().into_bytes());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// Parses one number and one unit, such as `1.5s`, `500ms` or `2m`.
fn go_duration(text: &str) -> Option<Duration> {
    let (number, seconds) = [
        ("ms", 1e-3),
        ("us", 1e-6),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ]
    .iter()
    .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))?;
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

/// Answers with a status that is given as text: with 418 for `418`, and with 400 for what isn't a final status.
fn with_status(digits: &str) -> Response<Vec<u8>> {
    let status = Some(digits)
        .filter(|digits| digits.len() == 3)
        .and_then(|digits| digits.parse::<u16>().ok())
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response
}

/// The target in the request line, or the `:path` of HTTP/2.
fn request_target(request: &Parts) -> String {
    match request.uri.path_and_query() {
        Some(target) if request.version == Version::HTTP_2 || request.uri.scheme().is_none() => {
            target.to_string()
        }
        _ => request.uri.to_string(),
    }
}

fn host(request: &Parts) -> &str {
    match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => request
            .headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    }
}

/// The name of the protocol in Go's `Request.Proto`.
fn proto(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// The headers in Go's form: canonical names, without the headers that Go removes from the map.
fn go_headers(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let removed = [header::HOST, header::TRANSFER_ENCODING, header::TRAILER];
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if !removed.contains(name) {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            map.entry(canonical(name)).or_default().push(text);
        }
    }
    map
}

/// Go's `textproto.CanonicalMIMEHeaderKey`: upper case at the start and after each hyphen.
fn canonical(name: &HeaderName) -> String {
    let mut upper = true;
    name.as_str()
        .chars()
        .map(|c| {
            let shown = if upper { c.to_ascii_uppercase() } else { c };
            upper = c == '-';
            shown
        })
        .collect()
}

/// The response headers that `X-Echo-Set-Header: name:value, name:value` requests. The values of a repeated name are joined
/// by commas. Invalid headers are ignored.
fn requested_headers(request: &HeaderMap) -> HeaderMap {
    let mut joined: Vec<(HeaderName, String)> = Vec::new();
    let pairs = request.get_all("x-echo-set-header").into_iter();
    for pair in pairs
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
    {
        let (name, value) = pair.trim().split_once(':').unwrap_or((pair.trim(), ""));
        let Ok(name) = name.parse::<HeaderName>() else {
            continue;
        };
        match joined.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(value.trim());
            }
            None => joined.push((name, value.trim().to_owned())),
        }
    }
    joined
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).expect("a request").into_parts().0
    }

    fn backend(own_paths: OwnPaths) -> Answers {
        Answers {
            identity: Identity {
                namespace: "default".to_owned(),
                pod: "backend-6c5b7d9f4-x2x9q".to_owned(),
                ..Identity::default()
            },
            http_port: "3000".to_owned(),
            own_paths,
        }
    }

    fn answer(request: &Parts) -> Response<Vec<u8>> {
        backend(OwnPaths::Answered).answer(request, None)
    }

    #[test]
    fn a_users_own_paths_are_not_hidden_unless_a_header_asks() {
        let backend = backend(OwnPaths::Echoed);
        for path in ["/health", "/status/418", "/?delay=1m"] {
            let request = parts(Request::get(path));
            let body = backend.answer(&request, None).into_body();
            let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(json["path"], path);
            assert_eq!(backend.delay(&request), None);
        }
        let request = Request::get("/health").header("X-Echo-Set-Status", "418");
        let request = parts(request.header("X-Echo-Delay", "1m"));
        assert_eq!(backend.answer(&request, None).status(), 418);
        assert_eq!(backend.delay(&request), Some(Duration::from_secs(60)));
    }

    #[test]
    fn the_answer_equals_the_output_of_go() {
        let request = parts(
            Request::get("/get?a=1&b=2")
                .header("host", "www.example.com")
                .header("user-agent", "curl/8.5.0")
                .header("added-header", "foo")
                .header("accept", "*/*")
                .header("accept", "text/html"),
        );
        let body = answer(&request).into_body();
        let expected = r#"{
 "path": "/get?a=1\u0026b=2",
 "host": "www.example.com",
 "method": "GET",
 "proto": "HTTP/1.1",
 "headers": {
  "Accept": [
   "*/*",
   "text/html"
  ],
  "Added-Header": [
   "foo"
  ],
  "User-Agent": [
   "curl/8.5.0"
  ]
 },
 "httpPort": "3000",
 "namespace": "default",
 "ingress": "",
 "service": "",
 "pod": "backend-6c5b7d9f4-x2x9q"
}"#;
        assert_eq!(String::from_utf8(body).expect("UTF-8"), expected);
    }

    #[test]
    fn http2_answers_contain_the_authority_and_the_path_only() {
        let request = parts(Request::get("http://www.example.com/get?x").version(Version::HTTP_2));
        let body = answer(&request).into_body();
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(json["path"], "/get?x");
        assert_eq!(json["host"], "www.example.com");
        assert_eq!(json["proto"], "HTTP/2.0");
    }

    #[test]
    fn status_paths_are_answered_with_their_status() {
        for (path, status) in [
            ("/status/418", 418),
            ("/status/42", 400),
            ("/status/abc", 400),
        ] {
            let response = answer(&parts(Request::get(path)));
            assert_eq!(response.status(), status, "{path}");
        }
    }

    #[test]
    fn requested_response_headers_are_set_and_joined() {
        let request = parts(
            Request::get("/").header("X-Echo-Set-Header", "x-one:a, x-two: b,x-one:c, bad name:d"),
        );
        let response = answer(&request);
        assert_eq!(response.headers()["x-one"], "a,c");
        assert_eq!(response.headers()["x-two"], "b");
        assert!(!response.headers().contains_key("bad name"));
    }

    #[test]
    fn parses_delays_in_the_format_of_go() {
        for (text, expected) in [("500ms", 500), ("1.5s", 1500), ("1m", 60_000)] {
            assert_eq!(
                go_duration(text),
                Some(Duration::from_millis(expected)),
                "{text}"
            );
        }
        for text in ["", "s", "-1s", "5", "nans"] {
            assert_eq!(go_duration(text), None, "{text:?}");
        }
    }
}
