//! `cors` of a SecurityPolicy beside its authentication.

use super::{basic_auth, credentials, gateway, request};
use gatefold_dataplane::filter::cors::{
    Allowed, Cors, Credentials, Exposed, OriginPattern, Origins,
};
use gatefold_dataplane::filter::security::SecurityFilters;
use http::HeaderValue;
use std::sync::Arc;

const ORIGIN: &str = "Origin: https://shop.example\r\n";
const ASKED: &str = "Access-Control-Request-Method: PUT\r\n";

fn with_cors() -> SecurityFilters {
    let origin = OriginPattern::parse("https://shop.example").expect("an origin");
    let cors = Cors {
        origins: Origins::Listed([origin].into()),
        credentials: Credentials::Allowed,
        methods: Allowed::Any,
        headers: Allowed::Any,
        expose: Exposed::Unset,
        max_age: HeaderValue::from(60),
    };
    SecurityFilters {
        cors: Some(Arc::new(cors)),
        ..basic_auth()
    }
}

fn preflight(fields: &str) -> String {
    format!("OPTIONS / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_request_is_answered_before_authentication() {
    let (gateway, upstream) = gateway(with_cors(), vec![]).await;
    let answer = gateway.ask(&preflight(&format!("{ORIGIN}{ASKED}"))).await;
    assert_eq!(answer.status(), 204, "{}", answer.head);
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, ["https://shop.example"]);
    let foreign = format!("Origin: https://eve.example\r\n{ASKED}");
    let answer = gateway.ask(&preflight(&foreign)).await;
    assert_eq!(answer.header("access-control-allow-origin"), [""; 0]);
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_request_that_is_no_preflight_needs_credentials() {
    let (gateway, upstream) = gateway(with_cors(), vec![]).await;
    for fields in ["", ORIGIN, ASKED] {
        assert_eq!(
            gateway.ask(&preflight(fields)).await.status(),
            401,
            "{fields}"
        );
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_request_of_a_route_without_cors_needs_credentials() {
    let (gateway, upstream) = gateway(basic_auth(), vec![]).await;
    let answer = gateway.ask(&preflight(&format!("{ORIGIN}{ASKED}"))).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn script_can_read_both_the_response_and_the_denial() {
    let (gateway, _upstream) = gateway(with_cors(), vec![]).await;
    for (fields, status) in [(credentials(), 200), (String::new(), 401)] {
        let answer = gateway
            .ask(&request("/", &format!("{ORIGIN}{fields}")))
            .await;
        assert_eq!(answer.status(), status);
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, ["https://shop.example"], "{status}");
    }
}
