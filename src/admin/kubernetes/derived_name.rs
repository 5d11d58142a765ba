//! Derives names from the name of a Gateway, which may have 253 characters. The name of a Service and the value of a
//! label have at most 63.

use crate::stable_hash::fnv1a;

/// The maximum length of a DNS label and of the value of a label.
const MAX_LENGTH: usize = 63;
/// The length of a hash with the hyphen before it.
const HASH_LENGTH: usize = 17;

/// The value of a label that names an object: the name itself if it fits, otherwise its beginning and a hash.
pub(super) fn label_value(name: &str) -> String {
    if name.len() <= MAX_LENGTH {
        name.to_owned()
    } else {
        shortened(name, name)
    }
}

/// A valid name of a Service (RFC 1035): the wanted name if it is valid, otherwise a similar name with a hash that keeps
/// it unique.
pub(super) fn service_name(wanted: &str) -> String {
    let mut name = wanted.replace('.', "-");
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "gateway-");
    }
    if name == wanted && name.len() <= MAX_LENGTH {
        name
    } else {
        shortened(&name, wanted)
    }
}

/// The beginning of an ASCII `text`, with the hash of `whole`.
fn shortened(text: &str, whole: &str) -> String {
    let beginning = text.get(..MAX_LENGTH - HASH_LENGTH).unwrap_or(text);
    let beginning = beginning.trim_end_matches(['-', '.']);
    format!("{beginning}-{:016x}", fnv1a(whole.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keeps_names_that_are_valid() {
        let longest = "a".repeat(63);
        for name in ["edge-class", "a", &longest] {
            assert_eq!(service_name(name), name);
            assert_eq!(label_value(name), name);
        }
        assert_eq!(label_value("1.example.com"), "1.example.com");
    }

    #[test]
    fn makes_other_names_short_valid_and_unique() {
        let long = "gateway.".repeat(31) + "a";
        let longer = "gateway.".repeat(31) + "b";
        let dashes = "a".to_owned() + &"-".repeat(250) + "a";
        let names = [
            &*long,
            &longer,
            &dashes,
            "a.b",
            "a-b",
            "1a",
            "gateway-1a",
            "1.a",
        ];
        let services: BTreeSet<String> = names.map(service_name).into();
        assert_eq!(services.len(), names.len(), "{services:?}");
        for name in &services {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(name.len() <= 63 && name.bytes().all(inner), "{name}");
            assert!(
                name.starts_with(|it: char| it.is_ascii_lowercase()),
                "{name}"
            );
            assert!(!name.ends_with('-'), "{name}");
        }
        assert_ne!(label_value(&long), label_value(&longer));
        assert_eq!(label_value(&long).len(), 63);
    }
}
