//! Names that are derived from a Gateway's. It may have 253 characters, a Service's name and a label's value only 63.

use crate::stable_hash::fnv1a;

/// The longest DNS label, and the longest value of a label.
const LONGEST: usize = 63;
/// The hash and the hyphen before it.
const HASHED: usize = 17;

/// The value of a label that names an object: the name itself if it fits, else its beginning and a hash.
pub(super) fn label_value(name: &str) -> String {
    match name.len() {
        0..=LONGEST => name.to_owned(),
        _ => shortened(name, name),
    }
}

/// The name of a Service (RFC 1035): the wanted one if it can be one, else what is like it, with a hash so that it is as
/// unique.
pub(super) fn service_name(wanted: &str) -> String {
    let mut name = wanted.replace('.', "-");
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "gateway-");
    }
    match name == wanted && name.len() <= LONGEST {
        true => name,
        false => shortened(&name, wanted),
    }
}

/// The beginning of an ASCII `text`, with the hash of `whole`.
fn shortened(text: &str, whole: &str) -> String {
    let beginning = text.get(..LONGEST - HASHED).unwrap_or(text);
    let beginning = beginning.trim_end_matches(['-', '.']);
    format!("{beginning}-{:016x}", fnv1a(whole.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_that_fit_stay_as_they_are() {
        let longest = "a".repeat(63);
        for name in ["edge-class", "a", &longest] {
            assert_eq!(service_name(name), name);
            assert_eq!(label_value(name), name);
        }
        assert_eq!(label_value("1.example.com"), "1.example.com");
    }

    #[test]
    fn other_names_become_short_valid_and_different() {
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
