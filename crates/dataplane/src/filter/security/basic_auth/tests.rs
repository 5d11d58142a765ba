use super::*;
use http::HeaderName;
use std::cell::Cell;

thread_local! {
    /// The number of hashes computed by this thread.
    pub(super) static HASHES: Cell<usize> = const { Cell::new(0) };
}

/// `user1` has the password `test1`, `user2` has `test2` (Envoy Gateway's example).
const USERS: &[u8] =
    b"user1:{SHA}tESsBmE/yNY3lb6a0L6vVQEZNqw=\nuser2:{SHA}EJ9LPFDXsN9ynSmbxvjp75Bmlx8=\n";

fn filter() -> BasicAuthFilter {
    BasicAuthFilter::parse(USERS, None).expect("users")
}

fn headers(values: &[&[u8]]) -> HeaderMap {
    let values = values.iter().map(|value| {
        let value = HeaderValue::from_bytes(value).expect("a value");
        (AUTHORIZATION, value)
    });
    values.collect()
}

fn basic(credentials: &[u8]) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
}

fn check(field: &[u8]) -> Result<String, Denial> {
    let filter = filter();
    let user = filter.check(&headers(&[field]))?;
    Ok(user.to_str().expect("ASCII").to_owned())
}

#[test]
fn user_with_the_password_passes() {
    assert_eq!(check(&basic(b"user1:test1")).as_deref(), Ok("user1"));
    assert_eq!(check(&basic(b"user2:test2")).as_deref(), Ok("user2"));
    assert_eq!(
        check(b"bAsIc   dXNlcjE6dGVzdDE ").as_deref(),
        Ok("user1"),
        "the scheme has no case, and padding is optional"
    );
}

#[test]
fn wrong_credentials_do_not_pass() {
    for credentials in [
        "user1:test2",
        "user1:",
        "user1:test1 ",
        "user1:test1:",
        "USER1:test1",
        ":test1",
        ":",
        "user3:test1",
    ] {
        let denied = check(&basic(credentials.as_bytes()));
        assert_eq!(denied, Err(Denial::BasicAuthMismatch), "{credentials}");
    }
}

#[test]
fn malformed_headers_are_denied_with_their_reason() {
    assert_eq!(filter().check(&headers(&[])), Err(Denial::BasicAuthMissing));
    let huge = basic(&[b'a'; 10 * 1024]);
    let cases: [(&[u8], Denial); 11] = [
        (b"", Denial::BasicAuthOtherScheme),
        (b"Bearer dXNlcjE6dGVzdDE=", Denial::BasicAuthOtherScheme),
        (b"BasicdXNlcjE6dGVzdDE=", Denial::BasicAuthOtherScheme),
        (b"Basic", Denial::BasicAuthMalformed),
        (b"Basic ", Denial::BasicAuthMalformed),
        (b"Basic !!!", Denial::BasicAuthMalformed),
        (b"Basic dXNlcjE6dGVzdDE===", Denial::BasicAuthMalformed),
        (b"Basic dXNlcjE6 dGVzdDE=", Denial::BasicAuthMalformed),
        (b"Basic \xff\xfe", Denial::BasicAuthMalformed),
        (&basic(b"no colon"), Denial::BasicAuthMalformed),
        (&huge, Denial::BasicAuthMalformed),
    ];
    for (field, denial) in cases {
        let shown = String::from_utf8_lossy(field);
        assert_eq!(check(field), Err(denial), "{shown}");
    }
    let long = [b"user1:".as_slice(), &[b'a'; 10 * 1024]].concat();
    assert_eq!(check(&basic(&long)), Err(Denial::BasicAuthMismatch));
    let binary = check(&basic(b"user1:\xff\x00"));
    assert_eq!(binary, Err(Denial::BasicAuthMismatch));
}

#[test]
fn repeated_header_is_denied_even_if_both_are_right() {
    let right = basic(b"user1:test1");
    let twice = headers(&[&right, &right]);
    assert_eq!(filter().check(&twice), Err(Denial::BasicAuthMalformed));
}

/// The time must not reveal which users exist: every outcome costs one hash and one comparison of whole hashes.
#[test]
fn unknown_user_costs_as_much_as_a_wrong_password() {
    let filter = filter();
    for credentials in ["user1:test1", "user1:wrong", "unknown:test1", ":"] {
        HASHES.with(|count| count.set(0));
        let _ = filter.check(&headers(&[&basic(credentials.as_bytes())]));
        assert_eq!(HASHES.with(Cell::get), 1, "{credentials}");
    }
}

/// The hash that stands for an unknown user is compared like any other, and must not admit any credentials.
#[test]
fn unknown_user_never_passes_by_the_hash_that_stands_for_it() {
    let zero = format!("user:{{SHA}}{}", STANDARD.encode([0; 20]));
    let filter = BasicAuthFilter::parse(zero.as_bytes(), None).expect("a user");
    for name in ["user", "unknown"] {
        let denied = filter.check(&headers(&[&basic(format!("{name}:x").as_bytes())]));
        assert_eq!(denied, Err(Denial::BasicAuthMismatch), "{name}");
    }
}

#[test]
fn reads_files_with_comments_and_windows_line_ends() {
    let text = b"\r\n# made by hand\r\n  user1:{SHA}tESsBmE/yNY3lb6a0L6vVQEZNqw=  \r\n";
    let filter = BasicAuthFilter::parse(text, None).expect("a user");
    let user = filter.check(&headers(&[&basic(b"user1:test1")]));
    assert_eq!(user, Ok(&HeaderValue::from_static("user1")));
}

#[test]
fn unusable_files_are_refused_with_the_line() {
    let hash = "{SHA}tESsBmE/yNY3lb6a0L6vVQEZNqw=";
    for (text, expected) in [
        (String::new(), HtpasswdError::NoUser),
        ("# unknown\n\n".to_owned(), HtpasswdError::NoUser),
        (format!("a:{hash}\nb"), HtpasswdError::NoColon { line: 2 }),
        (format!(":{hash}"), HtpasswdError::MalformedUser { line: 1 }),
        (
            format!("a\u{7}:{hash}"),
            HtpasswdError::MalformedUser { line: 1 },
        ),
        (
            "a:$2y$05$x".to_owned(),
            HtpasswdError::OtherHash { line: 1 },
        ),
        (
            "a:$apr1$x$y".to_owned(),
            HtpasswdError::OtherHash { line: 1 },
        ),
        (
            "a:{SHA}".to_owned(),
            HtpasswdError::MalformedHash { line: 1 },
        ),
        (
            "a:{SHA}dGVzdA==".to_owned(),
            HtpasswdError::MalformedHash { line: 1 },
        ),
        (
            format!("a:{hash}:b"),
            HtpasswdError::MalformedHash { line: 1 },
        ),
        (
            format!("a:{hash}\n\na:{hash}"),
            HtpasswdError::RepeatedUser { line: 3 },
        ),
    ] {
        let error = BasicAuthFilter::parse(text.as_bytes(), None).expect_err("an error");
        assert_eq!(error, expected, "{text:?}");
        assert!(!error.to_string().contains("tESs"), "{error} shows a hash");
    }
}

#[test]
fn debug_and_display_show_no_user_and_no_hash() {
    let header = ForwardHeader::new(HeaderName::from_static("x-user")).expect("a name");
    let filter = BasicAuthFilter::parse(USERS, Some(header)).expect("users");
    assert_eq!(
        filter.to_string(),
        " basic auth [users 2, forward user as x-user]"
    );
    assert_eq!(format!("{filter:?}"), filter.to_string());
}
