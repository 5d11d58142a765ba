//! Path normalization, compared with a literal implementation of the RFC.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

fn normalize(path: &str) -> Result<String, PathError> {
    PathNormalization::On.normalize(path).map(Cow::into_owned)
}

#[track_caller]
fn becomes(path: &str, expected: &str) {
    assert_eq!(normalize(path).as_deref(), Ok(expected), "{path}");
}

#[test]
fn removes_dot_segments_and_decodes_unreserved_characters() {
    for (path, expected) in [
        ("/./admin/x", "/admin/x"),
        ("/a/../admin/x", "/admin/x"),
        ("/%61dmin/x", "/admin/x"),
        ("/a/%2e%2e/admin/x", "/admin/x"),
        ("/a/.%2E/admin/x", "/admin/x"),
        ("/%2e/admin", "/admin"),
        ("/public/../admin", "/admin"),
        ("/a/b/c/./../../g", "/a/g"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/%41%5a%30%2d%2E%5F%7e", "/AZ0-._~"),
    ] {
        becomes(path, expected);
    }
}

#[test]
fn merges_slashes_after_dot_segments_are_removed() {
    for (path, expected) in [
        ("//", "/"),
        ("//admin", "/admin"),
        ("/a///b//", "/a/b/"),
        ("/a/.//b", "/a/b"),
        // As in RFC 3986 and Envoy: `..` removes the empty segment.
        ("/a//../b", "/a/b"),
        ("//..", "/"),
    ] {
        becomes(path, expected);
    }
}

#[test]
fn borrows_a_path_in_normal_form() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/a/b.c/.d/..e/f./g../...",
        "/a;b=c/..;/d,e:f@g!$&'()*+=~_-",
        "/a%2Fb%2fc%5C..%5cd%20%25%3A",
        "/%C3%A4%c3%a4",
        "/a.b/%252e%252e/c",
    ] {
        let normalized = PathNormalization::On.normalize(path);
        assert_eq!(normalized, Ok(Cow::Borrowed(path)));
        assert!(matches!(normalized, Ok(Cow::Borrowed(_))), "{path}");
    }
}

#[test]
fn keeps_escaped_slashes_as_sent_when_other_parts_change() {
    becomes("/./a%2f..%2fb%5c%5C%3a", "/a%2f..%2fb%5c%5C%3a");
}

#[test]
fn reads_backslash_as_slash_and_encodes_bytes_that_a_path_cannot_contain() {
    becomes("/public\\..\\admin", "/admin");
    becomes("\\\\admin", "/admin");
    becomes("/\u{e4}", "/%C3%A4");
    becomes(
        "/[a]{b}|^\"<>` \t\u{7f}",
        "/%5Ba%5D%7Bb%7D%7C%5E%22%3C%3E%60%20%09%7F",
    );
}

#[test]
fn rejects_a_path_that_leaves_the_root() {
    for path in [
        "/..",
        "/../",
        "/../admin",
        "/a/../../b",
        "/./..",
        "/%2e%2E/x",
        "/..//x",
        "/..\\x",
    ] {
        assert_eq!(normalize(path), Err(PathError::LeavesRoot), "{path}");
    }
    becomes("/..;/..a/.../", "/..;/..a/.../");
}

#[test]
fn rejects_an_encoded_nul_and_a_malformed_escape() {
    for path in ["/%00", "/a%00.png", "/a/%00/../b"] {
        assert_eq!(normalize(path), Err(PathError::EncodedNul), "{path}");
    }
    for path in [
        "/%", "/%4", "/%zz", "/a%2/b", "/100%", "/%%32e", "/%+1", "/%\u{e4}",
    ] {
        assert_eq!(normalize(path), Err(PathError::MalformedEscape), "{path}");
    }
}

#[test]
fn changes_nothing_when_off() {
    for path in ["/../a//%61/%00/%zz\\", "/%2f"] {
        let off = PathNormalization::Off;
        assert_eq!(off.normalize(path), Ok(Cow::Borrowed(path)));
        assert_eq!(off.for_matching(path), path);
    }
}

#[test]
fn for_matching_ignores_case_of_escapes() {
    let on = PathNormalization::On;
    assert_eq!(on.for_matching("/a%2fb%c3%A4z/%5c"), "/a%2Fb%C3%A4z/%5C");
    for path in ["/", "/abc", "/a%2Fb%C3%A4ab", "/%20x"] {
        assert!(
            matches!(on.for_matching(path), Cow::Borrowed(_)),
            "{path} was copied"
        );
    }
}

#[test]
fn recognises_escapes_that_can_be_matched() {
    assert!(is_matched_escape(b'2', b'F') && is_matched_escape(b'2', b'0'));
    for (high, low) in [
        (b'2', b'f'),
        (b'6', b'1'),
        (b'0', b'0'),
        (b'2', b'e'),
        (b'z', b'z'),
    ] {
        assert!(
            !is_matched_escape(high, low),
            "%{}{}",
            char::from(high),
            char::from(low)
        );
    }
}

/// Paths made of the pieces that matter, in every combination.
fn path() -> impl Strategy<Value = String> {
    let pieces = [
        "/", "/", "/", ".", "..", "a", "B", "%2e", "%2E", "%61", "%2f", "%2F", "%5C", "%c3%A4",
        "%00", "%", "%4", "%zz", ";", ":", "\\", "\u{e4}", "[", "|", " ", "%25", "2e", "~",
    ];
    let tail = prop::collection::vec(select(pieces.to_vec()), 0..12);
    tail.prop_map(|tail| format!("/{}", tail.concat()))
}

/// A literal implementation of the RFC: decode unreserved characters, then follow section 5.2.4 with its two buffers, then
/// merge slashes.
fn naive(path: &str) -> Result<String, PathError> {
    let path = path.replace('\\', "/");
    let mut decoded = String::new();
    let mut at = 0;
    let bytes = path.as_bytes();
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = bytes
                .get(at + 1..at + 3)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .ok_or(PathError::MalformedEscape)?;
            let byte = u8::from_str_radix(digits, 16).expect("hexadecimal digits");
            match char::from(byte) {
                '\0' => return Err(PathError::EncodedNul),
                plain @ ('a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~') => {
                    decoded.push(plain);
                }
                _ => decoded.push_str(&format!("%{digits}")),
            }
            at += 3;
            continue;
        }
        let allowed = "/-._~!$&'()*+,;=:@";
        let character = char::from(bytes[at]);
        if character.is_ascii_alphanumeric() || allowed.contains(character) {
            decoded.push(character);
        } else {
            decoded.push_str(&format!("%{:02X}", bytes[at]));
        }
        at += 1;
    }
    let mut output = remove_dot_segments(decoded)?;
    while output.contains("//") {
        output = output.replace("//", "/");
    }
    Ok(output)
}

/// The steps A to E of RFC 3986, section 5.2.4, without A and D, which are for relative references.
fn remove_dot_segments(mut input: String) -> Result<String, PathError> {
    let mut output = String::new();
    while !input.is_empty() {
        if input.starts_with("/./") {
            input.replace_range(..3, "/");
        } else if input == "/." {
            input = "/".to_owned();
        } else if input.starts_with("/../") || input == "/.." {
            let end = input.len().min(4);
            input.replace_range(..end, "/");
            let last = output.rfind('/').ok_or(PathError::LeavesRoot)?;
            output.truncate(last);
        } else {
            let next = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.push_str(&input[..next]);
            input.replace_range(..next, "");
        }
    }
    Ok(output)
}

fn contains_encoded_unreserved(path: &str) -> bool {
    path.match_indices('%').any(|(at, _)| {
        let byte = u8::from_str_radix(&path[at + 1..at + 3], 16).expect("an escape");
        is_unreserved(byte)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn agrees_with_a_literal_implementation_of_the_rfc(path in path()) {
        prop_assert_eq!(normalize(&path), naive(&path), "{}", path);
    }

    #[test]
    fn is_idempotent_and_leaves_nothing_to_normalise(path in path()) {
        let Ok(once) = normalize(&path) else {
            return Ok(());
        };
        let twice = PathNormalization::On.normalize(&once);
        prop_assert!(matches!(&twice, Ok(Cow::Borrowed(it)) if **it == once), "{:?}", twice);
        for part in ["//", "/./", "/../"] {
            prop_assert!(!once.contains(part), "{} became {}", path, once);
        }
        prop_assert!(!once.ends_with("/.") && !once.ends_with("/.."), "{} became {}", path, once);
        prop_assert!(!contains_encoded_unreserved(&once), "{} became {}", path, once);
        prop_assert!(once.starts_with('/') && once.is_ascii(), "{} became {}", path, once);
        let matched = PathNormalization::On.for_matching(&once);
        prop_assert_eq!(matched.len(), once.len());
        prop_assert!(matched.eq_ignore_ascii_case(&once));
        prop_assert_eq!(normalize(&matched), Ok(matched.into_owned()));
    }

    #[test]
    fn returns_the_same_bytes_if_nothing_has_to_change(
        segments in prop::collection::vec("[a-zA-Z0-9_~!$&'()*+,;=:@-]{1,5}|%2[Ff]|%C3%a4|\\.[a-z]|\\.\\.;", 1..8),
        slash in any::<bool>(),
    ) {
        let path = format!("/{}{}", segments.join("/"), if slash { "/" } else { "" });
        let normalized = PathNormalization::On.normalize(&path);
        let same = matches!(&normalized, Ok(Cow::Borrowed(it)) if it.as_ptr() == path.as_ptr());
        prop_assert!(same && normalized == Ok(Cow::Borrowed(&*path)), "{}", path);
    }

    #[test]
    fn normalises_or_rejects_any_text(path in "/\\PC{0,40}") {
        prop_assert_eq!(normalize(&path), naive(&path));
    }
}
