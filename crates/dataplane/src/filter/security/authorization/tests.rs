use super::*;
use http::HeaderValue;

fn rule(action: AccessAction) -> AccessRule {
    AccessRule {
        name: None,
        action,
        networks: Vec::new(),
        headers: Vec::new(),
        methods: Vec::new(),
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
    let request = ClientRequest {
        address: address.parse().expect("an address"),
        method: &method,
        headers,
    };
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
