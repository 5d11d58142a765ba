//! Claims as headers, and in the rules of `authorization`.

use super::*;
use crate::filter::security::jwt::claims::{ClaimPath, Claims};

fn claims(payload: Value) -> Claims {
    let Value::Object(payload) = payload else {
        panic!("no object")
    };
    Claims::new(payload).expect("registered claims have their types")
}

#[test]
fn claims_become_header_values_as_in_envoy() {
    let claims = claims(json!({
        "text": "alice", "utf8": "Zoë", "empty": "", "null": null, "yes": true, "whole": 42,
        "id": u64::MAX, "float": 42.0, "fraction": 1.5, "negative": -3, "list": ["a", 1],
        "object": {"b": 1, "a": {"deep": "x"}}, "break": "a\r\nX-Admin: 1", "nul": "a\0", "padded": " admin",
        "a.b": "literal",
    }));
    for (path, expected) in [
        ("text", Some("alice")),
        ("utf8", Some("Zoë")),
        ("empty", None),
        ("null", None),
        ("absent", None),
        ("yes", Some("true")),
        ("whole", Some("42")),
        ("id", Some("18446744073709551615")),
        ("float", Some("42")),
        ("fraction", Some("1.500000")),
        ("negative", Some("-3.000000")),
        ("list", Some("WyJhIiwxXQ==")),
        ("object.a.deep", Some("x")),
        ("object.a", Some("eyJkZWVwIjoieCJ9")),
        ("object.a.deep.er", None),
        ("text.deep", None),
        ("break", None),
        ("nul", None),
        ("padded", None),
        ("a.b", None),
    ] {
        let value = claims.header_value(&ClaimPath::new(path));
        let value = value.map(|value| value.as_bytes().to_vec());
        let expected = expected.map(|text| text.as_bytes().to_vec());
        assert_eq!(value, expected, "{path}");
    }
}

#[test]
fn scopes_are_words_of_a_text_or_entries_of_a_list() {
    let text = claims(json!({"scope": "read  write", "scp": ["admin"]}));
    for (scope, has) in [
        ("read", true),
        ("write", true),
        ("admin", true),
        ("rea", false),
        ("read  write", false),
    ] {
        assert_eq!(text.has_scope(scope), has, "{scope}");
    }
    let other = claims(json!({"scope": {"read": true}, "scp": 1}));
    assert!(!other.has_scope("read"));
}

#[test]
fn rule_compares_a_claim_by_its_type() {
    let claims = claims(json!({
        "role": "admin", "roles": ["user", "admin", 1], "level": 1, "scope": "read write", "org": {"name": "shop"},
    }));
    let admin: [Box<str>; 2] = ["root".into(), "admin".into()];
    let path = ClaimPath::new;
    assert!(claims.is_one_of(&path("role"), &admin));
    assert!(!claims.is_one_of(&path("roles"), &admin), "a list");
    assert!(!claims.is_one_of(&path("level"), &["1".into()]), "a number");
    assert!(claims.is_one_of(&path("org.name"), &["shop".into()]));
    assert!(!claims.is_one_of(&path("absent"), &["".into()]));
    assert!(claims.contains_one_of(&path("roles"), &admin));
    assert!(!claims.contains_one_of(&path("role"), &admin), "a text");
    // Envoy splits the scopes before its rules see them.
    assert!(claims.contains_one_of(&path("scope"), &["write".into()]));
    assert!(!claims.is_one_of(&path("scope"), &["read write".into()]));
}
