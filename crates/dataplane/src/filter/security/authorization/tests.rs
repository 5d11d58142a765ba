use super::*;
use http::HeaderValue;
use serde_json::json;

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

fn networks(texts: &[&str]) -> Vec<ClientNetwork> {
    let networks = texts.iter().map(|text| ClientNetwork::parse(text));
    networks.collect::<Option<_>>().expect("networks")
}

fn condition(name: &'static str, values: &[&str]) -> HeaderCondition {
    let values = values.iter().map(|&value| value.into());
    HeaderCondition::new(HeaderName::from_static(name), values)
}

fn passes(
    filter: &AuthorizationFilter,
    address: &str,
    method: Method,
    headers: &HeaderMap,
) -> bool {
    decides(
        filter,
        ClientRequest {
            address: address.parse().expect("an address"),
            method: &method,
            path: "/",
            headers,
            token: None,
        },
    )
}

fn decides(filter: &AuthorizationFilter, request: ClientRequest<'_>) -> bool {
    match filter.check(request) {
        Ok(()) => true,
        Err(Denial::Forbidden) => false,
        Err(denial) => panic!("{denial:?}"),
    }
}

fn fields(values: &[(&'static str, &'static str)]) -> HeaderMap {
    let fields = values.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    fields.collect()
}

#[test]
fn default_applies_if_no_rule_matches_and_is_deny_if_unset() {
    let none = HeaderMap::new();
    let unset = AuthorizationFilter::default();
    assert!(!passes(&unset, "192.0.2.1", Method::GET, &none));
    let allow = AuthorizationFilter {
        rules: Vec::new(),
        default: AccessAction::Allow,
    };
    assert!(passes(&allow, "192.0.2.1", Method::GET, &none));
}

#[test]
fn first_matching_rule_decides() {
    let within = |action, texts| AccessRule {
        networks: networks(texts),
        ..rule(action)
    };
    let filter = AuthorizationFilter {
        rules: vec![
            within(AccessAction::Deny, &["10.1.0.0/16"]),
            within(AccessAction::Allow, &["10.0.0.0/8", "2001:db8::/32"]),
            within(AccessAction::Deny, &["10.2.0.0/16"]),
        ],
        default: AccessAction::Deny,
    };
    for (address, allowed) in [
        ("10.1.0.1", false),
        ("10.2.0.1", true),
        ("10.255.255.255", true),
        ("11.0.0.0", false),
        ("2001:db8::1", true),
        ("2001:db9::1", false),
        ("::ffff:10.2.0.1", true),
        ("::ffff:10.1.0.1", false),
    ] {
        let passed = passes(&filter, address, Method::GET, &HeaderMap::new());
        assert_eq!(passed, allowed, "{address}");
    }
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let filter = AuthorizationFilter {
        rules: vec![AccessRule {
            networks: networks(&["192.0.2.0/24"]),
            headers: vec![
                condition("x-user", &["alice", "bob"]),
                condition("x-team", &["a"]),
            ],
            methods: vec![Method::GET, Method::POST],
            ..rule(AccessAction::Allow)
        }],
        default: AccessAction::Deny,
    };
    let both = fields(&[("x-user", "bob"), ("x-team", "a")]);
    assert!(passes(&filter, "192.0.2.9", Method::GET, &both));
    assert!(passes(&filter, "192.0.2.9", Method::POST, &both));
    let lower = Method::from_bytes(b"get").expect("a method");
    assert!(
        passes(&filter, "192.0.2.9", lower, &both),
        "as Envoy Gateway does"
    );
    assert!(!passes(&filter, "192.0.3.9", Method::GET, &both));
    assert!(!passes(&filter, "192.0.2.9", Method::HEAD, &both));
    for headers in [
        fields(&[("x-user", "bob")]),
        fields(&[("x-user", "eve"), ("x-team", "a")]),
        fields(&[("x-user", "BOB"), ("x-team", "a")]),
        fields(&[("x-user", "bob"), ("x-user", "eve"), ("x-team", "a")]),
        fields(&[("x-user", "bob "), ("x-team", "a,a")]),
    ] {
        let passed = passes(&filter, "192.0.2.9", Method::GET, &headers);
        assert!(!passed, "{headers:?}");
    }
}

#[test]
fn network_is_parsed_in_the_form_that_addresses_have() {
    let parse = ClientNetwork::parse;
    assert_eq!(parse("10.1.2.3/8"), parse("10.0.0.0/8"));
    assert_eq!(parse("::ffff:10.0.0.0/104"), parse("10.0.0.0/8"));
    for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "", "2001:db8::/129"] {
        assert_eq!(parse(text), None, "{text}");
    }
    let all = parse("0.0.0.0/0").expect("a network");
    assert!(all.contains("::ffff:192.0.2.1".parse().expect("an address")));
    assert!(!all.contains("2001:db8::1".parse().expect("an address")));
}

#[test]
fn display_shows_rules_in_order() {
    let filter = AuthorizationFilter {
        rules: vec![AccessRule {
            networks: networks(&["192.0.2.0/24"]),
            headers: vec![condition("x-user", &["alice", "bob"])],
            methods: vec![Method::GET],
            ..rule(AccessAction::Allow)
        }],
        default: AccessAction::Deny,
    };
    assert_eq!(
        filter.to_string(),
        " authorization [allow 192.0.2.0/24 GET header x-user=\"alice\"=\"bob\", default deny]"
    );
}

/// Returns a token of a provider, as the `jwt` filter leaves it.
fn token(provider: &str, claims: serde_json::Value) -> VerifiedToken {
    let serde_json::Value::Object(claims) = claims else {
        panic!("no object")
    };
    VerifiedToken {
        provider: provider.into(),
        claims: crate::filter::security::jwt::claims::Claims::new(claims).expect("claims"),
    }
}

#[test]
fn condition_on_a_token_needs_all_scopes_and_claims_of_a_token_of_the_provider() {
    let claim = |path: &str, kind, value: &str| ClaimCondition {
        claim: ClaimPath::new(path),
        kind,
        values: vec!["other".into(), value.into()],
    };
    let condition = TokenCondition {
        provider: "idp".into(),
        scopes: vec!["read".into(), "write".into()],
        claims: vec![
            claim("org.name", ClaimKind::Text, "shop"),
            claim("roles", ClaimKind::TextList, "admin"),
        ],
    };
    let filter = AuthorizationFilter {
        rules: vec![AccessRule {
            token: Some(condition),
            ..rule(AccessAction::Allow)
        }],
        default: AccessAction::Deny,
    };
    assert_eq!(
        filter.to_string(),
        " authorization [allow token of idp scope \"read\" scope \"write\" org.name is [\"other\", \"shop\"] \
         roles has [\"other\", \"admin\"], default deny]"
    );
    let headers = HeaderMap::new();
    let allows = |token: Option<&VerifiedToken>| {
        decides(
            &filter,
            ClientRequest {
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                method: &Method::GET,
                path: "/",
                headers: &headers,
                token,
            },
        )
    };
    let full = json!({"scope": "read write", "org": {"name": "shop"}, "roles": ["admin"]});
    assert!(allows(Some(&token("idp", full.clone()))));
    assert!(!allows(None), "no token");
    assert!(
        !allows(Some(&token("other", full.clone()))),
        "of another provider"
    );
    for (field, value) in [
        ("scope", json!("read")),
        ("org", json!({"name": "bank"})),
        ("roles", json!("admin")),
        ("roles", json!([])),
    ] {
        let mut less = full.clone();
        less[field] = value;
        assert!(!allows(Some(&token("idp", less))), "{field}");
    }
}
