//! Lines of requests in every format.

use super::entry::{ConnectionFacts, Entry, Times};
use super::line;
use super::response_flag::ResponseFlag;
use crate::request::request_id::RequestId;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::RuleId;
use gatefold_dataplane::access_log::LogFormat;
use gatefold_dataplane::backend::HttpVersion;
use http::{HeaderMap, HeaderValue};
use pingora_core::protocols::tls::SslDigest;
use pingora_http::{RequestHeader, ResponseHeader};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// What an entry refers to.
struct Request {
    request: RequestHeader,
    response: ResponseHeader,
    trailers: HeaderMap,
    id: RequestId,
    rule: RuleId,
    tls: SslDigest,
}

impl Request {
    fn new() -> Self {
        let mut request = RequestHeader::build("POST", b"/a/b?page=2&q=", None).expect("valid");
        for (name, value) in [("host", "www.example.com"), ("user-agent", "curl/8")] {
            request.insert_header(name, value).expect("valid");
        }
        let mut response = ResponseHeader::build(201, None).expect("valid");
        response
            .insert_header("content-type", "text/plain")
            .expect("valid");
        Request {
            request,
            response,
            trailers: HeaderMap::from_iter([(
                crate::response::grpc::STATUS,
                HeaderValue::from_static("5"),
            )]),
            id: RequestId::Sent(HeaderValue::from_static("abc-123")),
            rule: RuleId {
                kind: "HTTPRoute",
                route: "shop/web".into(),
                index: 2,
            },
            tls: SslDigest::new(
                "TLS13_AES_128_GCM_SHA256",
                "TLSv1_3",
                None,
                None,
                Vec::new(),
            ),
        }
    }

    fn entry(&self) -> Entry<'_> {
        let milliseconds = Duration::from_millis;
        Entry {
            request: &self.request,
            response: Some(&self.response),
            trailers: Some(&self.trailers),
            reason: None,
            flag: None,
            id: Some(&self.id),
            rule: Some(&self.rule),
            backend: Some("shop/web:80"),
            endpoint: Some(address("10.0.0.7:8080")),
            endpoint_version: Some(HttpVersion::Http2),
            attempts: 2,
            connection: Some(ConnectionFacts {
                number: 42,
                client: address("192.0.2.9:50000"),
                peer: address("[2001:db8::9]:50001"),
                server_name: Some("sni.example.com"),
                tls: true,
            }),
            local: &|| Some(address("198.51.100.1:443")),
            tls: Some(&self.tls),
            bytes_received: 12,
            bytes_sent: 3456,
            times: Times {
                start: SystemTime::UNIX_EPOCH + Duration::from_millis(1_772_600_767_089),
                request_end: Some(milliseconds(3)),
                request_sent: Some(milliseconds(4)),
                response_begin: Some(milliseconds(17)),
                end: milliseconds(25),
            },
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn written(format: &LogFormat, entry: &Entry<'_>) -> String {
    let mut line = Vec::new();
    line::write(format, entry, &mut Vec::new(), &mut line);
    String::from_utf8(line).expect("UTF-8")
}

fn text(format: &str, entry: &Entry<'_>) -> String {
    let format = LogFormat::text(format).unwrap_or_else(|error| panic!("{format}: {error}"));
    written(&format, entry)
}

fn json(format: &str, entry: &Entry<'_>) -> String {
    written(&LogFormat::json([("it", format)]).expect("valid"), entry)
}

/// Every operator with its value in text and, if it isn't the same string, in JSON.
const VALUES: &[(&str, &str, Option<&str>)] = &[
    ("%START_TIME%", "2026-03-04T05:06:07.089Z", None),
    ("%START_TIME(%s.%3f)%", "1772600767.089", None),
    ("%EMIT_TIME%", "2026-03-04T05:06:07.114Z", None),
    ("%REQ(:METHOD)%", "POST", None),
    ("%REQ(:PATH)%", "/a/b?page=2&q=", None),
    ("%REQ(:AUTHORITY)%", "www.example.com", None),
    ("%REQ(:SCHEME)%", "https", None),
    ("%REQ(:STATUS)%", "-", Some("null")),
    ("%REQ(USER-AGENT)%", "curl/8", None),
    ("%REQ(USER-AGENT):4%", "curl", None),
    ("%REQ(X-NONE?user-agent)%", "curl/8", None),
    ("%REQ(X-NONE)%", "-", Some("null")),
    ("%REQ(X-REQUEST-ID)%", "abc-123", None),
    ("%REQUEST_HEADER(User-Agent)%", "curl/8", None),
    (
        "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "/a/b",
        None,
    ),
    ("%PATH%", "/a/b?page=2&q=", None),
    ("%PATH(NQ)%", "/a/b", None),
    ("%PATH(WQ:ORIG)%", "-", Some("null")),
    ("%QUERY_PARAM(page)%", "2", None),
    ("%QUERY_PARAM(q)%", "", None),
    ("%QUERY_PARAM(none)%", "-", Some("null")),
    ("%QUERY_PARAMS%", "page=2&q=", None),
    ("%QUERY_PARAMS(ORIG):4%", "page", None),
    ("%RESP(CONTENT-TYPE)%", "text/plain", None),
    ("%RESP(:STATUS)%", "201", None),
    ("%RESPONSE_HEADER(x?y)%", "-", Some("null")),
    ("%TRAILER(grpc-status)%", "5", None),
    ("%RESPONSE_TRAILER(x)%", "-", Some("null")),
    ("%PROTOCOL%", "HTTP/1.1", None),
    ("%UPSTREAM_PROTOCOL%", "HTTP/2", None),
    ("%RESPONSE_CODE%", "201", Some("201")),
    ("%RESPONSE_CODE_DETAILS%", "via_upstream", None),
    ("%RESPONSE_FLAGS%", "-", Some("null")),
    ("%RESPONSE_FLAGS_LONG%", "-", Some("null")),
    ("%BYTES_RECEIVED%", "12", Some("12")),
    ("%BYTES_SENT%", "3456", Some("3456")),
    ("%DURATION%", "25", Some("25")),
    ("%REQUEST_DURATION%", "3", Some("3")),
    ("%REQUEST_TX_DURATION%", "4", Some("4")),
    ("%RESPONSE_DURATION%", "17", Some("17")),
    ("%RESPONSE_TX_DURATION%", "8", Some("8")),
    (
        "%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%",
        "13000",
        Some("13000"),
    ),
    ("%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "2", Some("2")),
    ("%UPSTREAM_CLUSTER%", "shop/web:80", None),
    ("%UPSTREAM_CLUSTER_RAW%", "shop/web:80", None),
    ("%ROUTE_NAME%", "httproute/shop/web/rule/2", None),
    ("%UPSTREAM_HOST%", "10.0.0.7:8080", None),
    ("%UPSTREAM_HOST_NAME%", "10.0.0.7:8080", None),
    ("%UPSTREAM_HOST_NAME_WITHOUT_PORT%", "10.0.0.7", None),
    ("%UPSTREAM_REMOTE_ADDRESS%", "10.0.0.7:8080", None),
    (
        "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%",
        "10.0.0.0/8",
        None,
    ),
    ("%UPSTREAM_REMOTE_PORT%", "8080", Some("8080")),
    ("%DOWNSTREAM_REMOTE_ADDRESS%", "192.0.2.9:50000", None),
    (
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "192.0.2.9",
        None,
    ),
    (
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%",
        "192.0.2.0/24",
        None,
    ),
    ("%DOWNSTREAM_REMOTE_PORT%", "50000", Some("50000")),
    (
        "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
        "[2001:db8::9]:50001",
        None,
    ),
    (
        "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "2001:db8::9",
        None,
    ),
    ("%DOWNSTREAM_DIRECT_REMOTE_PORT%", "50001", Some("50001")),
    ("%DOWNSTREAM_LOCAL_ADDRESS%", "198.51.100.1:443", None),
    (
        "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
        "198.51.100.1",
        None,
    ),
    ("%DOWNSTREAM_LOCAL_PORT%", "443", Some("443")),
    (
        "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%",
        "198.51.100.1:443",
        None,
    ),
    (
        "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT%",
        "198.51.100.1",
        None,
    ),
    ("%DOWNSTREAM_DIRECT_LOCAL_PORT%", "443", Some("443")),
    ("%CONNECTION_ID%", "42", Some("42")),
    ("%STREAM_ID%", "abc-123", None),
    ("%GRPC_STATUS%", "NotFound", None),
    ("%GRPC_STATUS(SNAKE_STRING)%", "NOT_FOUND", None),
    ("%GRPC_STATUS(NUMBER)%", "5", Some("5")),
    ("%GRPC_STATUS_NUMBER%", "5", Some("5")),
    ("%REQUESTED_SERVER_NAME%", "sni.example.com", None),
    (
        "%REQUESTED_SERVER_NAME(SNI_FIRST)%",
        "sni.example.com",
        None,
    ),
    (
        "%REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%",
        "www.example.com",
        None,
    ),
    ("%DOWNSTREAM_TLS_VERSION%", "TLSv1.3", None),
    ("%DOWNSTREAM_TLS_CIPHER%", "TLS_AES_128_GCM_SHA256", None),
    ("%LOCAL_REPLY_BODY%", "-", Some("null")),
    ("%ENVIRONMENT(CARGO_PKG_NAME)%", "gatefold-proxy", None),
    ("%ENVIRONMENT(CARGO_PKG_NAME):4%", "gate", None),
    ("%ENVIRONMENT(NOT_SET_ANYWHERE)%", "-", Some("null")),
    ("%ACCESS_LOG_TYPE%", "DownstreamEnd", None),
    ("%DYNAMIC_METADATA(a:b)%", "-", Some("null")),
];

#[test]
fn every_operator_has_a_value() {
    let request = Request::new();
    let entry = request.entry();
    for (operator, in_text, in_json) in VALUES {
        assert_eq!(text(operator, &entry), *in_text, "{operator}");
        let string = format!("\"{in_text}\"");
        let expected = format!("{{\"it\":{}}}", in_json.unwrap_or(&string));
        assert_eq!(json(operator, &entry), expected, "{operator}");
    }
    let host = text("%HOSTNAME%", &entry);
    assert!(!host.is_empty() && host != "-", "{host}");
    assert_eq!(text("%UNIQUE_ID%", &entry).len(), 36);
}

/// The documentation has a table of operators, each in backticks with its percent signs.
#[test]
fn every_operator_is_documented_and_tested() {
    let names = |text: &str| -> BTreeSet<String> {
        let operators = text.split("`%").skip(1);
        let name = |it: &str| {
            it.split(|c: char| !c.is_ascii_uppercase() && c != '_')
                .next()
                .map(String::from)
        };
        operators
            .filter_map(name)
            .filter(|name| name.len() > 1)
            .collect()
    };
    let documentation = include_str!("../../../../docs/access-log.md");
    let table = documentation
        .split_once("## Operators")
        .expect("a section")
        .1;
    let table = table.split_once("\n## ").map_or(table, |(table, _)| table);
    let tested = VALUES.iter().map(|(operator, ..)| format!("`{operator}`"));
    let tested = tested.chain(["`%HOSTNAME%`, `%UNIQUE_ID%`".to_owned()]);
    let mut tested = names(&tested.collect::<String>());
    tested.remove("DYNAMIC_METADATA");
    assert_eq!(names(table), tested);
}

#[test]
fn a_request_without_an_answer_has_few_values() {
    let request = Request::new();
    let entry = Entry {
        response: None,
        trailers: None,
        id: None,
        rule: None,
        backend: None,
        endpoint: None,
        endpoint_version: None,
        attempts: 0,
        connection: None,
        local: &|| None,
        tls: None,
        times: Times {
            response_begin: None,
            request_sent: None,
            ..request.entry().times
        },
        ..request.entry()
    };
    for (operator, expected) in [
        ("%RESPONSE_CODE%", "0"),
        ("%RESPONSE_CODE_DETAILS%", "downstream_remote_disconnect"),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "0"),
        ("%REQ(:SCHEME)%", "http"),
        ("%REQUESTED_SERVER_NAME(SNI_FIRST)%", "www.example.com"),
    ] {
        assert_eq!(text(operator, &entry), expected, "{operator}");
    }
    for operator in [
        "%RESP(A)%",
        "%TRAILER(A)%",
        "%STREAM_ID%",
        "%REQ(X-REQUEST-ID)%",
        "%ROUTE_NAME%",
        "%UPSTREAM_CLUSTER%",
        "%UPSTREAM_HOST%",
        "%UPSTREAM_PROTOCOL%",
        "%CONNECTION_ID%",
        "%DOWNSTREAM_REMOTE_ADDRESS%",
        "%DOWNSTREAM_LOCAL_PORT%",
        "%DOWNSTREAM_TLS_VERSION%",
        "%RESPONSE_DURATION%",
        "%RESPONSE_TX_DURATION%",
        "%GRPC_STATUS%",
        "%REQUESTED_SERVER_NAME%",
    ] {
        assert_eq!(text(operator, &entry), "-", "{operator}");
    }
}

#[test]
fn an_answer_of_the_proxy_itself_has_its_word_and_a_flag() {
    let request = Request::new();
    let entry = Entry {
        reason: Some(AnswerReason::NoRoute),
        flag: Some(ResponseFlag::NoRouteFound),
        ..request.entry()
    };
    let format =
        "%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %LOCAL_REPLY_BODY%";
    let expected = "no_route NR NoRouteFound no route matches this request";
    assert_eq!(text(format, &entry), expected);
    let redirect = Entry {
        times: Times {
            response_begin: None,
            ..entry.times
        },
        ..request.entry()
    };
    assert_eq!(
        text("%RESPONSE_CODE_DETAILS%", &redirect),
        "direct_response"
    );
}

#[test]
fn a_client_cannot_end_a_line_or_a_field() {
    let mut request = Request::new();
    let value = HeaderValue::from_bytes(b"a\" 200\t\\\xff").expect("a valid header");
    request
        .request
        .insert_header("user-agent", value)
        .expect("valid");
    let entry = request.entry();
    assert_eq!(
        text("\"%REQ(USER-AGENT)%\"", &entry),
        r#""a\" 200\t\\\xff""#
    );
    let line = json("%REQ(USER-AGENT)%", &entry);
    assert_eq!(line, "{\"it\":\"a\\\" 200\\t\\\\\u{fffd}\"}");
    let mixed = json("<%REQ(USER-AGENT)%|%DURATION%|%REQ(X)%>", &entry);
    assert_eq!(mixed, "{\"it\":\"<a\\\" 200\\t\\\\\u{fffd}|25|->\"}");
}

#[test]
fn the_default_formats_leave_out_the_query() {
    let request = Request::new();
    let entry = request.entry();
    let line = written(&LogFormat::default_text(), &entry);
    assert_eq!(
        line,
        concat!(
            r#"[2026-03-04T05:06:07.089Z] "POST /a/b HTTP/1.1" 201 - via_upstream 12 3456 25 "-" "#,
            r#""curl/8" "abc-123" "www.example.com" "10.0.0.7:8080""#
        )
    );
    let line = written(&LogFormat::default_json(), &entry);
    let beginning = r#"{"start_time":"2026-03-04T05:06:07.089Z","method":"POST","path":"/a/b","#;
    assert!(line.starts_with(beginning), "{line}");
    assert!(
        line.ends_with(r#""route_name":"httproute/shop/web/rule/2","grpc_status":5}"#),
        "{line}"
    );
}
