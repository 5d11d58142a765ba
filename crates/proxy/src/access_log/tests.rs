//! Lines of requests in every format.

mod operators;

use super::entry::{ConnectionFacts, Entry, Times};
use super::line;
use super::response_flag::ResponseFlag;
use crate::filter::client::ClientFindings;
use crate::request::request_id::RequestId;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::RuleId;
use gatefold_dataplane::access_log::LogFormat;
use gatefold_dataplane::backend::HttpVersion;
use http::{HeaderMap, HeaderValue};
use pingora_core::protocols::tls::SslDigest;
use pingora_http::{RequestHeader, ResponseHeader};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// What an entry refers to.
struct Request {
    request: RequestHeader,
    client: ClientFindings,
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
            client: ClientFindings::default(),
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
            client: &self.client,
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
