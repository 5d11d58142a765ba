//! Finds out which lines of a manifest may contain values of a Secret.

use super::{PathStep, Place};

/// Whether the lines at a place may contain values of a Secret, which must not be printed. That is every place in a
/// document with a Secret, unless it is known to be outside of `data` and `stringData`.
pub(super) fn is_confidential(place: &Place) -> bool {
    match place {
        Place::Nowhere | Place::File(_) => false,
        Place::Field { document, pointer } => {
            let metadata = match pointer.0.first() {
                None => true,
                Some(PathStep::Key(key)) => key == "metadata",
                Some(PathStep::Index(_)) => false,
            };
            let one_line = document
                .text()
                .is_some_and(|text| !text.trim().contains('\n'));
            document.text().is_some_and(names_secret) && (!metadata || one_line)
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

fn names_secret(document: &str) -> bool {
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
    use super::names_secret;

    #[test]
    fn recognises_a_secret_in_yaml_and_in_json() {
        assert!(names_secret("apiVersion: v1\nkind: Secret\ndata:\n"));
        assert!(names_secret("- kind:   'Secret'\n"));
        assert!(names_secret("{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}"));
        assert!(!names_secret("kind: Gateway\nname: Secret\n"));
    }
}
