//! Finds out which lines of a manifest may contain values of a Secret, or another key that isn't public.

use super::{Document, PathStep, Place, Source};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Weak};

/// Whether the lines at a place may contain values of a Secret or a symmetric key, which must not be printed. That is every place
/// in a document with one, unless it is known to be in `metadata`.
pub(super) fn is_confidential(place: &Place) -> bool {
    match place {
        Place::Nowhere | Place::File(_) => false,
        Place::Field { document, pointer } => {
            let metadata = match pointer.0.first() {
                None => true,
                Some(PathStep::Key(key)) => key == "metadata",
                Some(PathStep::Index(_)) => false,
            };
            // Checked first, because a list is long and this is quick.
            let one_line = || {
                let text = document.text();
                text.is_some_and(|text| !text.trim().contains('\n'))
            };
            (!metadata || one_line()) && has_secret(document)
        }
        Place::Bytes { source, bytes } => {
            let at = bytes.start.min(source.text.len());
            let Some((before, after)) = source.text.split_at_checked(at) else {
                return true;
            };
            let start = before.rfind("\n---").unwrap_or(0);
            let end = after
                .find("\n---")
                .map_or(source.text.len(), |end| at + end);
            source.text.get(start..end).is_some_and(names_secret)
        }
    }
}

thread_local! {
    /// Whether the document that was asked for last has a Secret. Nearly always the next one is the same, and searching a long
    /// list for each of its problems would take time in proportion to the square of its length.
    static LAST: RefCell<(Weak<Source>, Range<usize>, bool)> =
        const { RefCell::new((Weak::new(), 0..0, false)) };
}

fn has_secret(document: &Document) -> bool {
    LAST.with_borrow_mut(|last| {
        let same = last.0.upgrade();
        let same = same.is_some_and(|source| Arc::ptr_eq(&source, &document.source));
        if !same || last.1 != document.bytes {
            let found = document.text().is_some_and(names_secret);
            *last = (
                Arc::downgrade(&document.source),
                document.bytes.clone(),
                found,
            );
        }
        last.2
    })
}

/// Whether a text contains a symmetric key of a JWKS (RFC 7518, section 6.4): who has it can sign tokens. Such a key may be in a
/// SecurityPolicy or a ConfigMap, which aren't Secrets.
pub fn has_symmetric_key(text: &str) -> bool {
    let separators: &[char] = &['"', '\'', '\\', ':', ' ', '\t', '\r', '\n'];
    text.match_indices("kty").any(|(at, name)| {
        let value = text[at + name.len()..].trim_start_matches(separators);
        value.starts_with("oct")
    })
}

fn names_secret(document: &str) -> bool {
    if has_symmetric_key(document) {
        return true;
    }
    let kind = |rest: &str| {
        let quotes: &[char] = &['"', '\'', ' ', '\t', ':'];
        rest.trim_end_matches(quotes).ends_with("kind") && rest.contains(':')
    };
    document.match_indices("Secret").any(|(at, _)| {
        let line = document[..at]
            .rfind(['\n', ',', '{'])
            .map_or(0, |end| end + 1);
        kind(&document[line..at])
    })
}

#[cfg(test)]
mod tests {
    use super::{has_symmetric_key, names_secret};

    #[test]
    fn recognises_a_secret_in_yaml_and_in_json() {
        assert!(names_secret("apiVersion: v1\nkind: Secret\ndata:\n"));
        assert!(names_secret("- kind:   'Secret'\n"));
        assert!(names_secret("{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}"));
        assert!(!names_secret("kind: Gateway\nname: Secret\n"));
    }

    #[test]
    fn recognises_a_symmetric_key_in_every_notation() {
        for text in [
            r#"{"keys": [{"kty":"oct","k":"AA"}]}"#,
            r#"inline: "{\"keys\": [{\"kty\" : \"oct\"}]}""#,
            "kty: oct\n",
            "{\"kty\":\n  \"oct\"}",
        ] {
            assert!(has_symmetric_key(text), "{text}");
            assert!(names_secret(text), "{text}");
        }
        assert!(!has_symmetric_key(r#"{"kty": "RSA", "kid": "oct"}"#));
    }
}
