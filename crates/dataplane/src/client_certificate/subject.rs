//! The subject of a certificate as a text (RFC 2253), as Envoy writes it (`X509_NAME_print_ex` with `XN_FLAG_RFC2253`).

use std::fmt::Write;
use x509_parser::asn1_rs::{Any, Oid, Tag, ToDer};
use x509_parser::x509::X509Name;

/// The short names of attributes in OpenSSL, by OID. Others are written as an OID, and their values as hexadecimal digits.
const SHORT_NAMES: [(&str, &str); 22] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// Returns a name, the most specific attribute first.
pub(super) fn in_rfc_2253(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for (index, set) in name.iter_rdn().collect::<Vec<_>>().iter().rev().enumerate() {
        let attributes: Vec<_> = set.iter().collect();
        for (position, attribute) in attributes.iter().rev().enumerate() {
            text.push_str(match (index, position) {
                (0, 0) => "",
                (_, 0) => ",",
                (_, _) => "+",
            });
            write_attribute(&mut text, attribute.attr_type(), attribute.attr_value());
        }
    }
    text
}

fn write_attribute(text: &mut String, kind: &Oid<'_>, value: &Any<'_>) {
    let kind = kind.to_id_string();
    let mut known = SHORT_NAMES.iter();
    let short = known.find(|(oid, _)| *oid == kind).map(|(_, name)| *name);
    text.push_str(short.unwrap_or(&kind));
    text.push('=');
    match short.and_then(|_| decoded(value)) {
        Some(value) => write_escaped(text, &value),
        None => write_hexadecimal(text, value),
    }
}

/// Returns the text of a value. `None` if it isn't a text.
fn decoded(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::T61String => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let pairs = bytes
                .chunks(2)
                .map(|pair| Some([*pair.first()?, *pair.get(1)?]));
            let units: Vec<u16> = pairs
                .map(|pair| pair.map(u16::from_be_bytes))
                .collect::<Option<_>>()?;
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// Writes the ASCII characters of a value, with a backslash before those that have a meaning (RFC 2253, section 2.4), and all other
/// bytes in hexadecimal digits.
fn write_escaped(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (index, byte) in value.bytes().enumerate() {
        let is_edge = match byte {
            b'#' => index == 0,
            b' ' => index == 0 || index == last,
            _ => false,
        };
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            _ if is_edge => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            // Writing to a string can't fail.
            _ => _ = write!(text, "\\{byte:02X}"),
        }
    }
}

fn write_hexadecimal(text: &mut String, value: &Any<'_>) {
    text.push('#');
    for byte in value.to_der_vec().unwrap_or_default() {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02X}");
    }
}
