//! Conditions on the subject alternative names of a certificate (API: `SubjectAltNames`).

use crate::text_pattern::TextPattern;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// A condition on a subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectAltName {
    /// The kind of the name.
    pub kind: SubjectAltNameKind,
    /// The pattern for its text. Upper and lower case differ, except for whole DNS names.
    pub pattern: TextPattern,
}

/// A kind of subject alternative names (RFC 5280, section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectAltNameKind {
    /// A DNS name. One with a wildcard matches the whole names that it stands for.
    Dns,
    /// An email address.
    Email,
    /// An IP address, in its usual text form.
    Ip,
    /// A URI.
    Uri,
    /// A name of another type, which is identified by this OID. Only texts can match.
    Other(Oid<'static>),
}

impl SubjectAltName {
    /// Whether a certificate has such a name.
    pub(super) fn is_in(&self, certificate: &X509Certificate<'_>) -> bool {
        let extension = certificate.subject_alternative_name().ok().flatten();
        let names = extension.iter().flat_map(|it| &it.value.general_names);
        names.into_iter().any(|name| self.matches(name))
    }

    fn matches(&self, name: &GeneralName<'_>) -> bool {
        match (&self.kind, name) {
            (SubjectAltNameKind::Dns, GeneralName::DNSName(text)) => match &self.pattern {
                TextPattern::Exact(wanted) => is_same_host(wanted, text),
                pattern => pattern.matches(text),
            },
            (SubjectAltNameKind::Email, GeneralName::RFC822Name(text))
            | (SubjectAltNameKind::Uri, GeneralName::URI(text)) => self.pattern.matches(text),
            (SubjectAltNameKind::Ip, GeneralName::IPAddress(bytes)) => {
                address(bytes).is_some_and(|it| self.pattern.matches(&it.to_string()))
            }
            (SubjectAltNameKind::Other(wanted), GeneralName::OtherName(oid, value)) => {
                wanted == oid && text(value).is_some_and(|it| self.pattern.matches(it))
            }
            _ => false,
        }
    }
}

/// Whether a DNS name of a certificate stands for `host`. A wildcard is the whole leftmost label and stands for one label.
fn is_same_host(host: &str, name: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(domain), Some((label, rest))) = (name.strip_prefix("*."), host.split_once('.'))
    else {
        return false;
    };
    !label.is_empty() && rest.eq_ignore_ascii_case(domain)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(octets).into())
}

/// Returns the text of a name of another type: `[0] EXPLICIT` around a string. `None` if it is none.
fn text(value: &[u8]) -> Option<&str> {
    let (_, outer) = Any::from_der(value).ok()?;
    let (_, inner) = Any::from_der(outer.data).ok()?;
    match inner.tag() {
        Tag::Utf8String
        | Tag::Ia5String
        | Tag::PrintableString
        | Tag::VisibleString
        | Tag::OctetString => std::str::from_utf8(inner.data).ok(),
        _ => None,
    }
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SubjectAltNameKind::Dns => f.write_str("DNS"),
            SubjectAltNameKind::Email => f.write_str("email"),
            SubjectAltNameKind::Ip => f.write_str("IP"),
            SubjectAltNameKind::Uri => f.write_str("URI"),
            SubjectAltNameKind::Other(oid) => write!(f, "{oid}"),
        }?;
        write!(f, " {}", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_whole_label() {
        for (name, host, expected) in [
            ("a.example", "A.example", true),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("a*.example", "ab.example", false),
            ("*", "example", false),
        ] {
            assert_eq!(is_same_host(host, name), expected, "{name} for {host}");
        }
    }
}
