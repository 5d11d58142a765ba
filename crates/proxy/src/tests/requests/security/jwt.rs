//! `jwt` of a SecurityPolicy.

use super::{authorization, gateway, redirecting, request};
use crate::tests::requests::grpc::answer_of;
use gatefold_dataplane::filter::Filter;
use gatefold_dataplane::filter::cors::{Allowed, Cors, Credentials, Exposed, Origins};
use gatefold_dataplane::filter::route_choice::RouteChoice;
use gatefold_dataplane::filter::security::SecurityFilters;
use gatefold_dataplane::filter::security::authorization::AccessAction;
use gatefold_dataplane::filter::security::jwt::provider::{Audiences, JwtProvider, ProviderKeys};
use gatefold_dataplane::filter::security::jwt::remote_keys::RemoteKeys;
use gatefold_dataplane::filter::security::jwt::token_source::TokenSources;
use gatefold_dataplane::filter::security::jwt::{JwtFilter, TokenRequirement};
use http::HeaderValue;
use std::sync::Arc;

/// A token that nothing is wrong with but its signature.
const TOKEN: &str = "Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.AA\r\n";

/// Requires a token of an issuer whose keys haven't been fetched yet.
fn jwt(requirement: TokenRequirement) -> SecurityFilters {
    let provider = JwtProvider {
        name: "idp".into(),
        issuer: None,
        audiences: Audiences::default(),
        keys: ProviderKeys::Remote(Arc::new(RemoteKeys::default())),
        sources: TokenSources::new(Vec::new()),
        claim_headers: Vec::new(),
        routing: RouteChoice::Keep,
    };
    SecurityFilters {
        jwt: Some(Arc::new(JwtFilter {
            providers: vec![provider],
            requirement,
        })),
        ..SecurityFilters::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_a_token_is_asked_for_one_in_every_protocol() {
    let (gateway, upstream) = gateway(jwt(TokenRequirement::Required), vec![]).await;
    let answer = gateway.get("/").await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.text(), "Jwt is missing\n");
    let headers = answer_of(&gateway, false).await;
    assert_eq!(headers["grpc-status"], "16");
    assert_eq!(headers["grpc-message"], "Jwt is missing");
    let challenge = headers["www-authenticate"].to_str().expect("text");
    assert!(challenge.starts_with("Bearer realm=\""), "{challenge}");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_denied_until_there_are_keys_unless_it_may_fail() {
    let (gateway, upstream) = gateway(jwt(TokenRequirement::MayBeMissing), vec![]).await;
    let answer = gateway.ask(&request("/", TOKEN)).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.text(), "Jwks remote fetch is failed\n");
    let challenge = answer.header("www-authenticate");
    assert_eq!(
        challenge,
        [r#"Bearer realm="http://a.example/", error="invalid_token""#]
    );
    assert_eq!(upstream.requests(), 0);
    assert_eq!(gateway.get("/").await.status(), 200, "no token");
    let (gateway, upstream) = super::gateway(jwt(TokenRequirement::MayFail), vec![]).await;
    assert_eq!(gateway.ask(&request("/", TOKEN)).await.status(), 200);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_of_a_protected_route_is_protected_and_tokens_come_before_authorization() {
    let gateway = redirecting(jwt(TokenRequirement::Required)).await;
    assert_eq!(gateway.get("/").await.status(), 401);
    let policy = SecurityFilters {
        jwt: jwt(TokenRequirement::Required).jwt,
        ..authorization(AccessAction::Deny, vec![])
    };
    let (gateway, _upstream) = super::gateway(policy, vec![]).await;
    assert_eq!(gateway.get("/").await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_request_needs_no_token() {
    let cors = Cors {
        origins: Origins::Any,
        credentials: Credentials::Omitted,
        methods: Allowed::Any,
        headers: Allowed::Unset,
        expose: Exposed::Unset,
        max_age: HeaderValue::from(5),
    };
    let filters = vec![Filter::Cors(Arc::new(cors))];
    let (gateway, upstream) = gateway(jwt(TokenRequirement::Required), filters).await;
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n";
    assert_eq!(gateway.ask(preflight).await.status(), 204);
    let options = "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n\r\n";
    let answer = gateway.ask(options).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("access-control-allow-origin"), ["*"]);
    assert_eq!(upstream.requests(), 0);
}
