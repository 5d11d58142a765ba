//! Every operator, with its value in text and in JSON.

use super::{Request, json, text};
use std::collections::BTreeSet;

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
    let documentation = include_str!("../../../../../docs/access-log.md");
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
