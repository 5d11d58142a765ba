use super::*;

fn sources() -> Vec<KeySource> {
    vec![
        KeySource::Header(HeaderName::from_static("x-api-key")),
        KeySource::Header(HeaderName::from_static("authorization")),
        KeySource::Parameter("key".into()),
        KeySource::Cookie("key".into()),
    ]
}

const CLIENTS: [(&str, &[u8]); 3] = [("a", b"k1"), ("b", b"k+2/="), ("c", b"k 3")];

fn filter(sanitize: Sanitize) -> ApiKeyFilter {
    ApiKeyFilter::new(CLIENTS, sources(), None, sanitize).expect("keys")
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    fields.collect()
}

fn client(fields: &[(&'static str, &'static str)], query: Option<&str>) -> Result<String, Denial> {
    let filter = filter(Sanitize::Keep);
    let client = filter.check(&headers(fields), query)?;
    Ok(client.to_str().expect("ASCII").to_owned())
}

#[test]
fn key_is_found_in_each_source() {
    let found = |fields, query| client(fields, query).expect("a client");
    assert_eq!(found(&[("x-api-key", "k1")], None), "a");
    assert_eq!(found(&[("authorization", "Bearer k1")], None), "a");
    assert_eq!(found(&[("authorization", "bearer  k1")], None), "a");
    assert_eq!(found(&[("authorization", "k1")], None), "a");
    assert_eq!(found(&[("cookie", "x=y; key=k1; z")], None), "a");
    assert_eq!(
        found(&[("cookie", "x=y"), ("cookie", "key=\"k1\"")], None),
        "a"
    );
    assert_eq!(found(&[], Some("x=1&key=k1&y=2")), "a");
}

#[test]
fn key_in_the_query_is_percent_decoded_and_plus_is_literal() {
    for query in ["key=k%2B2%2f%3D", "key=k+2/=", "%6bey=k%2b2%2F="] {
        assert_eq!(client(&[], Some(query)).as_deref(), Ok("b"), "{query}");
    }
    assert_eq!(client(&[], Some("key=k%203")).as_deref(), Ok("c"));
    assert_eq!(client(&[], Some("key=k+3")), Err(Denial::ApiKeyUnknown));
}

#[test]
fn first_source_with_a_key_decides() {
    let denied = Err(Denial::ApiKeyUnknown);
    assert_eq!(client(&[("x-api-key", "bad")], Some("key=k1")), denied);
    assert_eq!(client(&[("cookie", "key=bad; key=k1")], None), denied);
    assert_eq!(client(&[], Some("key=bad&key=k1")), denied);
    let found = client(&[("x-api-key", "")], Some("key=k1"));
    assert_eq!(found.as_deref(), Ok("a"), "an empty value is no key");
    let found = client(&[("x-api-key", "k1")], Some("key=bad"));
    assert_eq!(found.as_deref(), Ok("a"));
}

#[test]
fn request_without_a_key_is_denied() {
    let other = [("x-api", "k1"), ("cookie", "keys=k1; KEY=k1; akey=k1")];
    for (fields, query) in [(&other[..], Some("Key=k1&keyk1&ke=k1")), (&[][..], None)] {
        assert_eq!(client(fields, query), Err(Denial::ApiKeyMissing));
    }
    assert_eq!(client(&[], Some("key=")), Err(Denial::ApiKeyMissing));
    assert_eq!(
        client(&[("x-api-key", "k")], None),
        Err(Denial::ApiKeyUnknown)
    );
    assert_eq!(
        client(&[("x-api-key", "k11")], None),
        Err(Denial::ApiKeyUnknown)
    );
}

#[test]
fn sanitizing_removes_every_source_and_keeps_all_else() {
    let filter = filter(Sanitize::Remove);
    let mut fields = headers(&[
        ("x-api-key", "k1"),
        ("x-api-key", "other"),
        ("authorization", "Bearer k1"),
        ("cookie", "a=1; key=k1"),
        ("cookie", "key=\"x\"; b=2"),
        ("accept", "*/*"),
    ]);
    filter.sanitize_headers(&mut fields);
    assert_eq!(
        fields,
        headers(&[("cookie", "a=1; b=2"), ("accept", "*/*")])
    );
    let mut only = headers(&[("cookie", "key=k1")]);
    filter.sanitize_headers(&mut only);
    assert_eq!(only, headers(&[]));
    for (query, sanitized) in [
        ("key=k1", Some("")),
        ("a=%20+&key=k1&b", Some("a=%20+&b")),
        ("%6Bey=k1&key&a", Some("a")),
        ("keys=1&Key=2", None),
    ] {
        assert_eq!(
            filter.sanitized_query(query).as_deref(),
            sanitized,
            "{query}"
        );
    }
}

#[test]
fn without_sanitizing_nothing_is_removed() {
    let filter = filter(Sanitize::Keep);
    let fields = [("x-api-key", "k1"), ("cookie", "key=k1")];
    let mut changed = headers(&fields);
    filter.sanitize_headers(&mut changed);
    assert_eq!(changed, headers(&fields));
    assert_eq!(filter.sanitized_query("key=k1"), None);
}

fn refused(credentials: &[(&str, &[u8])]) -> ApiKeyError {
    let credentials = credentials.iter().copied();
    let made = ApiKeyFilter::new(credentials, sources(), None, Sanitize::Keep);
    made.expect_err("an error")
}

#[test]
fn unusable_credentials_are_refused_without_showing_a_key() {
    let first = "a".to_owned();
    for (credentials, expected) in [
        (
            [("a", &b"k"[..]), ("b", b"k")],
            ApiKeyError::RepeatedKey {
                first,
                second: "b".to_owned(),
            },
        ),
        (
            [("a", b"secret"), ("b", b"")],
            ApiKeyError::EmptyKey {
                client: "b".to_owned(),
            },
        ),
        (
            [("a", b"secret"), ("b\n", b"k")],
            ApiKeyError::MalformedClient {
                client: "b\n".to_owned(),
            },
        ),
    ] {
        let error = refused(&credentials);
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let none = ApiKeyFilter::new(CLIENTS, Vec::new(), None, Sanitize::Keep);
    assert_eq!(none.expect_err("an error"), ApiKeyError::NoSource);
}

#[test]
fn first_key_of_a_repeated_client_counts() {
    let credentials: [(&str, &[u8]); 2] = [("a", b"first"), ("a", b"second")];
    let filter = ApiKeyFilter::new(credentials, sources(), None, Sanitize::Keep).expect("keys");
    let check = |key| filter.check(&headers(&[("x-api-key", key)]), None);
    assert_eq!(check("first"), Ok(&HeaderValue::from_static("a")));
    assert_eq!(check("second"), Err(Denial::ApiKeyUnknown));
}

#[test]
fn without_clients_every_request_is_denied() {
    let filter = ApiKeyFilter::new([], sources(), None, Sanitize::Keep).expect("no keys");
    let key = headers(&[("x-api-key", "k1")]);
    assert_eq!(filter.check(&key, None), Err(Denial::ApiKeyUnknown));
}

#[test]
fn debug_and_display_show_no_key_and_no_client() {
    let header = ForwardHeader::new(HeaderName::from_static("x-client")).expect("a name");
    let filter = ApiKeyFilter::new(CLIENTS, sources(), Some(header), Sanitize::Remove);
    let filter = filter.expect("keys");
    assert_eq!(
        filter.to_string(),
        " api key [clients 3, header x-api-key, header authorization, query \"key\", cookie \"key\", \
         forward client as x-client, sanitize]"
    );
    assert_eq!(format!("{filter:?}"), filter.to_string());
}
