//! Several providers, missing tokens, and where tokens are.

use super::signer::Signer;
use super::*;

fn check(filter: &JwtFilter, headers: &HeaderMap) -> Result<Option<String>, Denial> {
    let token = filter.check(headers, None, now())?;
    Ok(token.map(|token| token.verified().provider.to_string()))
}

#[test]
fn one_provider_that_accepts_suffices() {
    let (one, two) = (Signer::new("ES256", "a"), Signer::new("EdDSA", "b"));
    let with_issuer = |name: &str, signer: &Signer| JwtProvider {
        issuer: Some(name.into()),
        ..provider(name, &[signer])
    };
    let filter = required(vec![with_issuer("one", &one), with_issuer("two", &two)]);
    let of_two = two.token(&json!({"iss": "two"}));
    assert_eq!(check(&filter, &bearer(&of_two)), Ok(Some("two".to_owned())));
    let of_one = one.token(&json!({"iss": "one"}));
    assert_eq!(check(&filter, &bearer(&of_one)), Ok(Some("one".to_owned())));
    // The key of one provider doesn't sign for the other.
    let crossed = two.token(&json!({"iss": "one"}));
    assert_eq!(
        check(&filter, &bearer(&crossed)),
        Err(Denial::JwtUnknownKey)
    );
    let unknown = one.token(&json!({"iss": "three"}));
    assert_eq!(
        check(&filter, &bearer(&unknown)),
        Err(Denial::JwtWrongIssuer)
    );
    let expired = one.token(&json!({"iss": "one", "exp": 1}));
    assert_eq!(check(&filter, &bearer(&expired)), Err(Denial::JwtExpired));
}

#[test]
fn optional_token_may_be_missing_but_not_invalid() {
    let signer = Signer::new("ES256", "key-1");
    let filter = |requirement| JwtFilter {
        providers: vec![provider("p", &[&signer])],
        requirement,
    };
    let none = HeaderMap::new();
    let basic = headers(&[("authorization", "Basic YTpi")]);
    let invalid = bearer("abc");
    let lower_case = headers(&[("authorization", "bearer abc")]);
    for (requirement, missing, wrong) in [
        (
            TokenRequirement::Required,
            Err(Denial::JwtMissing),
            Err(Denial::JwtMalformed),
        ),
        (
            TokenRequirement::MayBeMissing,
            Ok(None),
            Err(Denial::JwtMalformed),
        ),
        (TokenRequirement::MayFail, Ok(None), Ok(None)),
    ] {
        let filter = filter(requirement);
        for headers in [&none, &basic] {
            assert_eq!(check(&filter, headers), missing, "{requirement:?}");
        }
        for headers in [&invalid, &lower_case] {
            assert_eq!(check(&filter, headers), wrong, "{requirement:?}");
        }
    }
}

#[test]
fn tokens_are_found_in_headers_parameters_and_cookies() {
    let signer = Signer::new("ES256", "key-1");
    let token = signer.token(&json!({}));
    let mut custom = provider("p", &[&signer]);
    custom.sources = TokenSources::new(vec![
        TokenSource::Cookie("session".into()),
        TokenSource::Parameter("jwt".into()),
        header_source("x-token", ""),
        header_source("x-prefixed", "jwt:"),
    ]);
    let filter = required(vec![custom]);
    let ok = |headers: &[(&'static str, &str)], query| {
        outcome_of(&filter, &self::headers(headers), query)
    };
    assert_eq!(ok(&[("x-token", &token)], None), Ok(()));
    assert_eq!(
        ok(&[("x-prefixed", &format!("JWT: {token}"))], None),
        Ok(())
    );
    assert_eq!(
        ok(&[("cookie", &format!("a=b; session={token}"))], None),
        Ok(())
    );
    assert_eq!(
        ok(&[("cookie", &format!("session=\"{token}\""))], None),
        Ok(())
    );
    let escaped = format!("a&jw%74={}", token.replace('.', "%2E"));
    assert_eq!(ok(&[], Some(&escaped)), Ok(()));
    let missing = Err(Denial::JwtMissing);
    let authorization = format!("Bearer {token}");
    assert_eq!(ok(&[("authorization", &authorization)], None), missing);
    assert_eq!(ok(&[("x-prefixed", &token)], None), missing);
    assert_eq!(ok(&[("x-token", "")], None), Err(Denial::JwtMalformed));
}

#[test]
fn forged_claim_headers_are_removed_with_every_outcome() {
    let signer = Signer::new("ES256", "key-1");
    let mut with_claims = provider("p", &[&signer]);
    with_claims.claim_headers = vec![
        claim_header("x-user", "sub"),
        claim_header("x-tenant", "org.tenant"),
        claim_header("x-both", "sub"),
        claim_header("x-both", "org.tenant"),
    ];
    let mut other = provider("other", &[&Signer::new("ES256", "key-2")]);
    other.claim_headers = vec![claim_header("x-other", "sub")];
    let filter = JwtFilter {
        providers: vec![with_claims, other],
        requirement: TokenRequirement::MayFail,
    };
    let forged = [
        ("x-user", "admin"),
        ("x_user", "admin"),
        ("x.user", "admin"),
        ("x-tenant", "all"),
        ("x_tenant", "all"),
        ("x-other", "admin"),
        ("x-both", "admin"),
        ("x-users", "kept"),
    ];
    let replaced = |token: Option<&str>| {
        let mut fields = headers(&forged);
        if let Some(token) = token {
            fields.extend(bearer(token));
        }
        let accepted = filter.check(&fields, None, now()).expect("it may fail");
        filter.replace_headers(accepted.as_ref(), &mut fields);
        fields.remove("authorization");
        let fields = fields.iter().map(|(name, value)| {
            let value = value.to_str().expect("text");
            format!("{name}: {value}")
        });
        let mut fields: Vec<String> = fields.collect();
        fields.sort();
        fields
    };
    let valid = signer.token(&json!({"sub": "alice", "org": {"tenant": 7}}));
    assert_eq!(
        replaced(Some(&valid)),
        [
            "x-both: 7",
            "x-both: alice",
            "x-tenant: 7",
            "x-user: alice",
            "x-users: kept"
        ]
    );
    let bare = signer.token(&json!({}));
    for token in [None, Some("abc"), Some(bare.as_str())] {
        assert_eq!(replaced(token), ["x-users: kept"], "{token:?}");
    }
}
