//! Rules for texts, as defined by the API's patterns. Each returns an error message if the text breaks it.

use crate::decode::name;

/// An API group: empty for the core group, else a DNS subdomain. Source: `Group`.
pub(in crate::api) fn group(text: &str) -> Result<(), String> {
    match text {
        "" => Ok(()),
        _ => name::subdomain(text).map_err(|_| {
            format!("`{text}` isn't an API group (a domain name; empty for the core group)")
        }),
    }
}

/// A kind: letters, digits and `-`, at most 63. Source: `Kind`.
pub(in crate::api) fn kind(text: &str) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let fits = (1..=63).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && !text.ends_with('-')
        && text.bytes().all(inner);
    if fits {
        Ok(())
    } else {
        Err(format!("`{text}` isn't a kind (letters, digits and `-`)"))
    }
}

/// The name of a referenced object. Source: `ObjectName`.
pub(in crate::api) fn object_name(text: &str) -> Result<(), String> {
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        1..=253 => Ok(()),
        length => Err(format!("has {length} characters; a name has at most 253")),
    }
}

/// A namespace. Source: `Namespace`.
pub(in crate::api) fn namespace(text: &str) -> Result<(), String> {
    name::label(text)
}

/// A listener's protocol: a word, or a domain, `/` and a word. Source: `ProtocolType`.
pub(in crate::api) fn protocol(text: &str) -> Result<(), String> {
    let word = |text: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !text.is_empty()
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text.bytes().all(inner)
    };
    let fits = match text.split_once('/') {
        Some((domain, name)) => {
            name::subdomain(domain).is_ok()
                && !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        None => word(text),
    };
    if fits && text.len() <= 255 {
        Ok(())
    } else {
        Err(format!(
            "`{text}` isn't a protocol (HTTP, HTTPS, TLS, TCP, UDP, or `domain/name`)"
        ))
    }
}

/// The type of a Gateway's address. Source: `AddressType`.
pub(in crate::api) fn address_type(text: &str) -> Result<(), String> {
    match text {
        "IPAddress" | "Hostname" | "NamedAddress" => Ok(()),
        _ => domain_path(text).map_err(|_| {
            format!(
                "`{text}` isn't an address type (IPAddress, Hostname, NamedAddress, or `domain/name`)"
            )
        }),
    }
}

/// The network from which an address must be reachable. Source: `GatewayAddressRoutabilityType`.
pub(in crate::api) fn routability(text: &str) -> Result<(), String> {
    let reserved = |domain: &str| domain == "k8s.io" || domain.ends_with(".k8s.io");
    match text.split_once('/') {
        _ if matches!(text, "" | "Cluster") => Ok(()),
        Some((domain, _)) if reserved(domain) => Err(format!(
            "`{text}` has the domain `{domain}`, which is reserved"
        )),
        Some((domain, path)) if !path.is_empty() => name::subdomain(domain),
        _ => Err(format!(
            "`{text}` isn't a routability (Cluster, `domain/path`, or empty)"
        )),
    }
}

/// The type of a condition, optionally after a domain and `/`. Source: `metav1.Condition.type`.
pub(in crate::api) fn condition_type(text: &str) -> Result<(), String> {
    if name::is_qualified_name(text) {
        Ok(())
    } else {
        Err(format!("`{text}` isn't the type of a condition"))
    }
}

/// The reason of a condition. Source: `metav1.Condition.reason`.
pub(in crate::api) fn condition_reason(text: &str) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_,:".contains(&byte);
    let fits = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(inner)
        && !text.ends_with([',', ':']);
    if fits {
        Ok(())
    } else {
        Err(format!("`{text}` isn't the reason of a condition"))
    }
}

/// An instant. Source: RFC 3339.
pub(in crate::api) fn date_time(text: &str) -> Result<(), String> {
    let format = &time::format_description::well_known::Rfc3339;
    match time::OffsetDateTime::parse(text, format) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`{text}` isn't an RFC 3339 date and time: {error}")),
    }
}

/// A domain, `/` and a path. Source: `GatewayController`, and the types that implementations may extend.
pub(in crate::api) fn domain_path(text: &str) -> Result<(), String> {
    let path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    match text.split_once('/') {
        Some((domain, rest)) if text.len() <= 253 && !rest.is_empty() && rest.bytes().all(path) => {
            name::subdomain(domain)
        }
        _ => Err(format!("`{text}` isn't of the form `domain/path`")),
    }
}

/// A set of trusted authorities: `System`, or a domain, `/` and a name. Source: `WellKnownCACertificatesType`.
pub(in crate::api) fn well_known_certificates(text: &str) -> Result<(), String> {
    match text {
        "System" => Ok(()),
        _ => domain_path(text).map_err(|_| {
            format!("`{text}` isn't a set of certificates (System, or `domain/name`)")
        }),
    }
}

/// A URI with its scheme. Source: `AbsoluteURI`.
pub(in crate::api) fn absolute_uri(text: &str) -> Result<(), String> {
    let fits = text.split_once(':').is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !scheme.contains(['/', '?', '#']) && rest.starts_with("//")
    });
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{text}` isn't a URI like `spiffe://example.com/service`"
        ))
    }
}

/// The path of an `Exact` or `PathPrefix` match. Source: the rules of `HTTPPathMatch`.
pub(in crate::api) fn plain_path(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err(format!("`{text}` must be an absolute path: begin with `/`"));
    }
    for part in ["//", "/./", "/../", "%2f", "%2F", "#"] {
        if text.contains(part) {
            return Err(format!("`{text}` must not contain `{part}`"));
        }
    }
    for end in ["/..", "/."] {
        if text.ends_with(end) {
            return Err(format!("`{text}` must not end with `{end}`"));
        }
    }
    match foreign_character(text) {
        Some(character) => Err(format!(
            "`{text}` contains `{}`, which isn't allowed in a path; escape it as `%XX`",
            character.escape_default()
        )),
        None => Ok(()),
    }
}

/// The first character that RFC 3986 doesn't allow in a path.
pub(in crate::api) fn foreign_character(text: &str) -> Option<char> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
    let escape = |rest: &str| {
        let digits = rest.as_bytes().get(1..3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let foreign = |(at, character): (usize, char)| match character {
        '%' => (!escape(&text[at..])).then_some(character),
        _ => (!(character.is_ascii() && allowed(character as u8))).then_some(character),
    };
    text.char_indices().find_map(foreign)
}

/// An origin of cross-origin requests: `*`, or a scheme, a host and an optional port. Source: `CORSOrigin`.
pub(in crate::api) fn origin(text: &str) -> Result<(), String> {
    let wrong = || {
        Err(format!(
            "`{text}` isn't an origin like `https://example.com`, `https://*.example.com` or `*`"
        ))
    };
    if text == "*" {
        return Ok(());
    }
    let host = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let Some(host) = host.filter(|_| text.len() <= 253) else {
        return wrong();
    };
    let (host, port) = host.split_once(':').unwrap_or((host, "1"));
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    let port_fits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    if port_fits && (host == "*" || name.split('.').all(label)) {
        Ok(())
    } else {
        wrong()
    }
}

/// The value of a label. Source: Kubernetes' `IsValidLabelValue`.
pub(in crate::api) fn label_value(text: &str) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    let fits = text.len() <= 63
        && text.bytes().all(inner)
        && edge(text.bytes().next())
        && edge(text.bytes().last());
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{text}` isn't a label's value (at most 63 letters, digits, `-`, `_` and `.`)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_all(rule: fn(&str) -> Result<(), String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text), Ok(()), "`{text}` was refused");
        }
        for text in bad {
            assert!(rule(text).is_err(), "`{text}` was accepted");
        }
    }

    #[test]
    fn paths_follow_the_rules_of_the_api() {
        let good = ["/", "/a/b", "/a%20b", "/a.b/..c", "/a:b@c", "/a/"];
        let bad = [
            "", "a", "/a//b", "/a/./b", "/a/../b", "/a%2fb", "/a%2Fb", "/a#b", "/a/..", "/a/.",
            "/a b", "/ü", "/a%2", "/a%zz", "/a?b",
        ];
        assert_all(plain_path, &good, &bad);
    }

    #[test]
    fn groups_kinds_and_protocols_follow_the_rules_of_the_api() {
        assert_all(group, &["", "example.com"], &["Example.com", "a_b", "-a"]);
        assert_all(kind, &["HTTPRoute", "a-b"], &["", "1a", "a-", "a.b"]);
        assert_all(
            protocol,
            &["HTTP", "example.com/foo"],
            &["", "-a", "a/b/c", "example.com/a-b"],
        );
        assert_all(
            address_type,
            &["IPAddress", "example.com/x"],
            &["IpAddress", "x", ""],
        );
    }

    #[test]
    fn routability_follows_the_rules_of_the_api() {
        assert_all(
            routability,
            &["", "Cluster", "example.com/CorpWan", "k8s.io.example.com/a"],
            &[
                "cluster",
                "Public",
                "example.com/",
                "/a",
                "Example.com/a",
                "k8s.io/a",
                "x.k8s.io/a",
            ],
        );
    }

    #[test]
    fn parts_of_conditions_follow_the_rules_of_the_api() {
        let types = ["Accepted", "example.com/Ready", "a.b_c-d"];
        let not_types = ["", "-a", "a-", "example.com/", "Example.com/A", "a b"];
        assert_all(condition_type, &types, &not_types);
        let not_reasons = ["", "1a", "a,", "a-b", "a b"];
        assert_all(condition_reason, &["Seeded", "A_b,c:d", "a_"], &not_reasons);
        let instants = ["2026-11-27T20:00:00Z", "2026-11-27T20:00:00.5+01:00"];
        assert_all(date_time, &instants, &["", "2026-11-27", "1"]);
    }

    #[test]
    fn origins_follow_the_rules_of_the_api() {
        let good = [
            "*",
            "https://example.com",
            "http://*.example.com:8080",
            "https://*",
            "http://a:1",
        ];
        let bad = [
            "",
            "example.com",
            "https://",
            "https://a:",
            "https://a:123456",
            "ftp://a",
            "https://a/b",
            "https://a.*.b",
        ];
        assert_all(origin, &good, &bad);
    }
}
