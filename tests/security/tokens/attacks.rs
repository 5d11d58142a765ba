//! Forged and malformed tokens.

use super::{ask, denied, folder, local, status};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::tokens::{TokenIssuer, encode, now, unsigned};
use ring::hmac;
use serde_json::{Value, json};

/// Requires that a token is denied for a reason, which is counted.
#[track_caller]
fn assert_denied(daemon: &Daemon, token: &str, reason: &str) {
    let before = denied(daemon, reason);
    let authorization = format!("Bearer {token}");
    let answer = ask(daemon, "/", &[("Authorization", &authorization)]);
    let expected = if reason == "jwt_wrong_audience" {
        403
    } else {
        401
    };
    assert_eq!(answer.status, expected, "{reason}: {}", answer.text());
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let realm = "Bearer realm=\"http://www.example.com/\"";
    assert_eq!(challenge, format!("{realm}, error=\"invalid_token\""));
    // The client may have the answer before it is counted.
    eventually(&format!("a request is denied: {reason}"), || {
        (denied(daemon, reason) > before).then_some(())
    });
}

#[test]
fn a_token_that_is_not_valid_is_denied_with_its_reason() {
    let issuer = TokenIssuer::new("key-1");
    let settings = local(
        &issuer,
        ", issuer: 'https://idp.example', audiences: [shop]",
    );
    let daemon = Daemon::of(&folder(&settings)).echo().start();
    let claims = |changes: Value| {
        let mut claims = json!({"iss": "https://idp.example", "aud": ["shop"], "exp": now() + 60});
        for (name, value) in changes.as_object().expect("changes") {
            claims[name] = value.clone();
        }
        claims
    };
    let good = issuer.token(&claims(json!({})));
    assert_eq!(status(&daemon, &good), 200);
    // Clocks may differ by 60 seconds.
    let within_skew = issuer.token(&claims(json!({"exp": now() - 50})));
    assert_eq!(status(&daemon, &within_skew), 200);
    for (changes, reason) in [
        (json!({"exp": now() - 61}), "jwt_expired"),
        (json!({"nbf": now() + 120}), "jwt_not_yet_valid"),
        (json!({"iss": "https://idp.example/"}), "jwt_wrong_issuer"),
        (json!({"aud": "bank"}), "jwt_wrong_audience"),
        (json!({"exp": "tomorrow"}), "jwt_malformed"),
    ] {
        assert_denied(&daemon, &issuer.token(&claims(changes)), reason);
    }
    let forged = TokenIssuer::new("key-1").token(&claims(json!({})));
    assert_denied(&daemon, &forged, "jwt_bad_signature");
    let unknown = TokenIssuer::new("key-2").token(&claims(json!({})));
    assert_denied(&daemon, &unknown, "jwt_unknown_key");
    let missing = ask(&daemon, "/", &[]);
    assert_eq!(missing.status, 401);
    assert_eq!(missing.text(), "Jwt is missing\n");
    let challenge = missing.header("www-authenticate");
    assert_eq!(challenge, Some("Bearer realm=\"http://www.example.com/\""));
}

#[test]
fn an_unsigned_token_is_denied() {
    let issuer = TokenIssuer::new("key-1");
    let daemon = Daemon::of(&folder(&local(&issuer, ""))).echo().start();
    for algorithm in ["none", "None", "NONE"] {
        let header = json!({"alg": algorithm, "typ": "JWT"});
        let unsigned = unsigned(&header, &json!({"sub": "admin"}));
        assert_denied(
            &daemon,
            &format!("{unsigned}."),
            "jwt_unsupported_algorithm",
        );
        assert_denied(
            &daemon,
            &format!("{unsigned}.AA"),
            "jwt_unsupported_algorithm",
        );
    }
}

#[test]
fn a_public_rsa_key_does_not_sign_as_a_secret() {
    let issuer = TokenIssuer::rsa("key-1");
    let daemon = Daemon::of(&folder(&local(&issuer, ""))).echo().start();
    assert_eq!(status(&daemon, &issuer.token(&json!({}))), 200);
    let modulus = issuer.jwk()["n"].as_str().expect("a modulus").to_owned();
    for secret in [modulus, issuer.jwk().to_string()] {
        let header = json!({"alg": "HS256", "kid": "key-1"});
        let message = unsigned(&header, &json!({"sub": "admin"}));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, message.as_bytes());
        let token = format!("{message}.{}", encode(tag));
        assert_denied(&daemon, &token, "jwt_unknown_key");
    }
}

#[test]
fn a_key_id_is_no_path_and_no_address() {
    let issuer = TokenIssuer::new("key-1");
    let daemon = Daemon::of(&folder(&local(&issuer, ""))).echo().start();
    for id in [
        "../../x",
        "/dev/null",
        "file:///dev/null",
        "http://attacker.example/keys",
        "key-1\u{0}",
        "' OR 1=1 --",
    ] {
        let header = json!({"alg": "ES256", "kid": id});
        let token = issuer.token_with(&header, &json!({}));
        assert_denied(&daemon, &token, "jwt_unknown_key");
    }
}

#[test]
fn a_token_in_two_places_must_be_valid_in_both() {
    let issuer = TokenIssuer::new("key-1");
    let daemon = Daemon::of(&folder(&local(&issuer, ""))).echo().start();
    let alice = issuer.token(&json!({"sub": "alice"}));
    let forged = TokenIssuer::new("key-1").token(&json!({"sub": "admin"}));
    let ask = |header: Option<&str>, query: &str| {
        let value = header.map(|token| format!("Bearer {token}"));
        let fields = value.iter().map(|it| ("Authorization", it.as_str()));
        let fields: Vec<(&str, &str)> = fields.collect();
        super::ask(&daemon, &format!("/?{query}"), &fields).status
    };
    let parameter = |token: &str| format!("access_token={token}");
    assert_eq!(ask(Some(&alice), &parameter(&alice)), 200);
    assert_eq!(ask(None, &parameter(&alice)), 200);
    assert_eq!(ask(Some(&alice), &parameter(&forged)), 401);
    assert_eq!(ask(Some(&forged), &parameter(&alice)), 401);
    let twice = format!("{}&{}", parameter(&alice), parameter(&forged));
    assert_eq!(ask(None, &twice), 401);
    let escaped = twice.replace("access_token", "access%5Ftoken");
    assert_eq!(ask(None, &escaped), 401);
}

#[test]
fn an_oversized_token_is_denied() {
    let issuer = TokenIssuer::new("key-1");
    let daemon = Daemon::of(&folder(&local(&issuer, ""))).echo().start();
    let large = issuer.token(&json!({"groups": "g".repeat(10_000)}));
    assert_eq!(status(&daemon, &large), 200);
    let oversized = issuer.token(&json!({"groups": "g".repeat(20_000)}));
    assert_denied(&daemon, &oversized, "jwt_malformed");
}

#[test]
fn headers_of_claims_can_not_be_forged() {
    let issuer = TokenIssuer::new("key-1");
    let more =
        ", claimToHeaders: [{header: X-User, claim: sub}, {header: X-Tenant, claim: org.tenant}]";
    let settings = local(&issuer, more).replace("jwt: {", "jwt: {optional: true, ");
    let daemon = Daemon::of(&folder(&settings)).echo().start();
    let forged = [
        ("X-User", "admin"),
        ("x-user", "admin"),
        ("X_User", "admin"),
        ("x.user", "admin"),
        ("X-Tenant", "all"),
        ("x_tenant", "all"),
        ("Connection", "X-User, X-Tenant"),
    ];
    let seen = |token: Option<&str>| {
        let mut fields = forged.to_vec();
        let authorization = token.map(|token| format!("Bearer {token}"));
        fields.extend(
            authorization
                .iter()
                .map(|it| ("Authorization", it.as_str())),
        );
        let answer = ask(&daemon, "/", &fields);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        let headers = json["headers"].as_object().expect("headers");
        let identity = headers.iter().filter(|(name, _)| {
            let name = name.to_lowercase();
            name.contains("user") && name != "user-agent" || name.contains("tenant")
        });
        let mut identity: Vec<String> = identity
            .map(|(name, values)| format!("{}: {values}", name.to_lowercase()))
            .collect();
        identity.sort();
        identity
    };
    let alice = issuer.token(&json!({"sub": "alice", "org": {"tenant": "shop"}}));
    assert_eq!(
        seen(Some(&alice)),
        [r#"x-tenant: ["shop"]"#, r#"x-user: ["alice"]"#]
    );
    let unsendable = issuer.token(&json!({"sub": "a\r\nX-Admin: true"}));
    assert_eq!(
        seen(Some(&unsendable)),
        [""; 0],
        "no claim that can be sent"
    );
    assert_eq!(seen(None), [""; 0], "no token");
}
