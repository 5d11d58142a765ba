//! `apiKeyAuth` of a SecurityPolicy.

use super::{api_key, gateway, redirecting, request};
use crate::tests::requests::grpc::answer_of;
use crate::tests::support::curl;
use gatefold_dataplane::filter::Filter;
use gatefold_dataplane::filter::path_modifier::PathModifier;
use gatefold_dataplane::filter::security::api_key::Sanitize;
use gatefold_dataplane::filter::url_rewrite::UrlRewrite;

/// Returns the first line of a request, without the version.
fn target(head: &str) -> &str {
    let line = head.lines().next().unwrap_or_default();
    line.trim_end_matches(" HTTP/1.1")
}

#[tokio::test(flavor = "multi_thread")]
async fn key_in_header_query_or_cookie_identifies_the_client() {
    let (gateway, upstream) = gateway(api_key(Sanitize::Keep), Vec::new()).await;
    for (path, fields, client) in [
        ("/?key=k1", "", "c1"),
        ("/?a&key=%6b2&key=k1", "", "c2"),
        ("/?key=k1", "X-Key: k2\r\n", "c2"),
        ("/", "Cookie: a=b; key=k1; c\r\n", "c1"),
        ("/", "Cookie: a=b\r\nCookie: key=\"k2\"\r\n", "c2"),
        ("/", "X-Key: Bearer k1\r\n", "c1"),
    ] {
        let forged = "X-Client: eve\r\nx_client: eve\r\nConnection: X-Client\r\n";
        let answer = gateway
            .ask(&request(path, &format!("{fields}{forged}")))
            .await;
        assert_eq!(answer.status(), 200, "{path} {fields}");
        let seen = upstream.last();
        assert_eq!(seen.header("x-client"), [client], "{path} {fields}");
        assert!(!seen.head.contains("eve"), "{}", seen.head);
        assert_eq!(
            target(&seen.head),
            format!("GET {path}"),
            "nothing is removed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_a_known_key_is_401() {
    let (gateway, upstream) = gateway(api_key(Sanitize::Remove), Vec::new()).await;
    for (path, fields) in [
        ("/", ""),
        ("/?key=k3", ""),
        ("/?key=k1", "X-Key: bad\r\n"),
        ("/?Key=k1", "Cookie: xkey=k1\r\n"),
        ("/", "X-Client: c1\r\n"),
    ] {
        let answer = gateway.ask(&request(path, fields)).await;
        assert_eq!(answer.status(), 401, "{path} {fields}");
        assert_eq!(answer.text(), "Client authentication failed.\n");
        assert_eq!(answer.header("www-authenticate"), [""; 0]);
    }
    let headers = answer_of(&gateway, true).await;
    assert_eq!(headers["grpc-status"], "16");
    assert_eq!(headers["grpc-message"], "Client authentication failed.");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sanitized_request_has_no_key_in_any_source() {
    let (gateway, upstream) = gateway(api_key(Sanitize::Remove), Vec::new()).await;
    let fields = "X-Key: k1\r\nX-KEY: k2\r\nCookie: a=b; key=k1\r\nCookie: key=k2; c=d\r\n";
    let answer = gateway
        .ask(&request("/p?key=k1&x=%20&%6bey=k2", fields))
        .await;
    assert_eq!(answer.status(), 200);
    let seen = upstream.last();
    assert_eq!(target(&seen.head), "GET /p?x=%20");
    assert_eq!(seen.header("x-key"), [""; 0]);
    assert_eq!(seen.header("cookie"), ["a=b; c=d"]);
    assert_eq!(seen.header("x-client"), ["c1"]);
    gateway.ask(&request("/p?key=k1", "")).await;
    assert_eq!(target(&upstream.last().head), "GET /p");
}

/// A rewrite and a redirect start from the client's request, and must not bring the key back.
#[tokio::test(flavor = "multi_thread")]
async fn sanitized_key_comes_back_neither_by_rewrite_nor_by_redirect() {
    let rewrite = Filter::UrlRewrite(UrlRewrite {
        hostname: None,
        path: Some(PathModifier::full("/new")),
    });
    let (gateway, upstream) = gateway(api_key(Sanitize::Remove), vec![rewrite]).await;
    gateway.ask(&request("/old?key=k1&x=1", "")).await;
    assert_eq!(target(&upstream.last().head), "GET /new?x=1");
    let gateway = redirecting(api_key(Sanitize::Remove)).await;
    let answer = gateway.ask(&request("/old?key=k1&x=1", "")).await;
    assert_eq!(answer.header("location"), ["http://b.example/old?x=1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_request_with_split_cookies_is_sanitized() {
    let (gateway, upstream) = gateway(api_key(Sanitize::Remove), Vec::new()).await;
    let url = format!("http://{}/p?key=k1&x=1", gateway.address);
    let arguments = [
        "--http2-prior-knowledge",
        "-H",
        "cookie: a=b",
        "-H",
        "cookie: key=k2; c=d",
        "-H",
        "x_client: eve",
        &url,
    ];
    assert_eq!(curl(&arguments, b"").await, "ok");
    let seen = upstream.last();
    assert_eq!(target(&seen.head), "GET /p?x=1");
    assert_eq!(seen.header("cookie"), ["a=b; c=d"]);
    assert_eq!(seen.header("x-client"), ["c1"]);
    assert_eq!(seen.header("x_client"), [""; 0]);
    assert_eq!(seen.header("host"), [gateway.address.to_string()]);
}
