//! `authorization` of a SecurityPolicy.

use super::{api_key, authorization, basic_auth, gateway, redirecting, request};
use crate::tests::requests::grpc::answer_of;
use gatefold_dataplane::filter::security::SecurityFilters;
use gatefold_dataplane::filter::security::api_key::Sanitize;
use gatefold_dataplane::filter::security::authorization::{
    AccessAction, AccessRule, ClientNetwork, HeaderCondition,
};
use http::{HeaderName, Method};

fn rule(action: AccessAction) -> AccessRule {
    AccessRule {
        name: None,
        action,
        networks: Vec::new(),
        headers: Vec::new(),
        token: None,
        methods: Vec::new(),
        path: None,
    }
}

fn network(action: AccessAction, text: &str) -> AccessRule {
    AccessRule {
        networks: vec![ClientNetwork::parse(text).expect("a network")],
        ..rule(action)
    }
}

fn header(name: &'static str, value: &str) -> HeaderCondition {
    HeaderCondition::new(HeaderName::from_static(name), [value.into()])
}

#[tokio::test(flavor = "multi_thread")]
async fn address_of_the_connection_decides_and_not_what_the_client_claims() {
    let other = network(AccessAction::Allow, "192.0.2.0/24");
    let (gateway, upstream) = gateway(authorization(AccessAction::Deny, vec![other]), vec![]).await;
    let claim =
        "X-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n";
    let answer = gateway.ask(&request("/", claim)).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.text(), "RBAC: access denied\n");
    assert_eq!(answer.header("www-authenticate"), [""; 0]);
    let headers = answer_of(&gateway, false).await;
    assert_eq!(headers["grpc-status"], "7");
    assert_eq!(headers["grpc-message"], "RBAC: access denied");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_matching_rule_decides_by_network_and_method() {
    let rules = vec![
        AccessRule {
            methods: vec![Method::DELETE],
            ..rule(AccessAction::Deny)
        },
        network(AccessAction::Allow, "127.0.0.0/8"),
        rule(AccessAction::Deny),
    ];
    let (gateway, upstream) = gateway(authorization(AccessAction::Deny, rules), vec![]).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    let delete = "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(gateway.ask(delete).await.status(), 403);
    assert_eq!(upstream.requests(), 1);
}

/// A rule may name the header that `apiKeyAuth` or `basicAuth` sets: it sees this value, never the client's.
#[tokio::test(flavor = "multi_thread")]
async fn rule_sees_the_header_of_the_identified_client() {
    let rules = vec![AccessRule {
        headers: vec![header("x-client", "c1")],
        ..rule(AccessAction::Allow)
    }];
    let policy = SecurityFilters {
        api_key: api_key(Sanitize::Keep).api_key,
        ..authorization(AccessAction::Deny, rules)
    };
    let (gateway, upstream) = gateway(policy, vec![]).await;
    let forged = "X-Client: c1\r\n";
    for (path, status) in [("/?key=k1", 200), ("/?key=k2", 403), ("/", 401)] {
        let answer = gateway.ask(&request(path, forged)).await;
        assert_eq!(answer.status(), status, "{path}");
    }
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_of_a_denied_request_is_denied() {
    let gateway = redirecting(authorization(AccessAction::Deny, vec![])).await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.header("location"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn authentication_comes_before_authorization() {
    let policy = SecurityFilters {
        basic_auth: basic_auth().basic_auth,
        ..authorization(AccessAction::Deny, vec![])
    };
    let (gateway, upstream) = gateway(policy, vec![]).await;
    assert_eq!(gateway.get("/").await.status(), 401);
    let answer = gateway.ask(&request("/", &super::credentials())).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(upstream.requests(), 0);
}
