//! Reads the patches of a kustomization or of a Flux Kustomization, as far as needed to know what they change.

use crate::kind::Kind;
use gatefold_diagnostic::yaml::{Node, Value};

/// A patch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patch {
    /// The kinds of the objects that it changes, if they are known without its file.
    kind: Option<String>,
    /// The path of the file with the patch.
    pub path: Option<String>,
}

/// Reads `patches`, `patchesStrategicMerge` and `patchesJson6902`.
pub(super) fn read(root: &Node) -> Vec<Patch> {
    let items = |field: &str| match root.field(field).map(|node| &node.value) {
        Some(Value::Sequence(items)) => items.as_slice(),
        _ => &[],
    };
    let merges = items("patchesStrategicMerge").iter().map(|item| {
        // An entry is a path or the patch itself.
        let text = item.as_str().unwrap_or_default();
        let is_inline = text.contains('\n') || text.contains(": ");
        Patch {
            kind: if is_inline {
                kind_in(text)
            } else {
                item_kind(item)
            },
            path: (!is_inline && !text.is_empty()).then(|| text.to_owned()),
        }
    });
    let patches = items("patches").iter().chain(items("patchesJson6902"));
    let patches = patches.map(|item| {
        let text = |field: &str| item.field(field).and_then(Node::as_str);
        let target = item.field("target").and_then(|target| target.field("kind"));
        let target = target.and_then(Node::as_str).map(str::to_owned);
        Patch {
            kind: target.or_else(|| kind_in(text("patch")?)),
            path: text("path").map(str::to_owned),
        }
    });
    merges.chain(patches).collect()
}

impl Patch {
    /// Whether the patch may change what is served. `text` is the text of its file.
    pub(super) fn matters(&self, text: Option<&str>) -> bool {
        let kind = self.kind.clone().or_else(|| kind_in(text?));
        kind.is_none_or(|kind| may_be_served(&kind))
    }
}

/// Whether objects of a kind, which may be a regular expression, have an effect on what is served.
fn may_be_served(kind: &str) -> bool {
    let is_served = |kind: &str| {
        let is_plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_known = Kind::ALL.iter().any(|known| known.name() == kind);
        !is_plain || kind.is_empty() || is_known || kind.ends_with("Policy")
    };
    let anchors: &[char] = &['^', '$', '(', ')'];
    kind.trim_matches(anchors).split('|').any(is_served)
}

/// `kind` of a strategic merge patch that is written as a mapping.
fn item_kind(item: &Node) -> Option<String> {
    item.field("kind")?.as_str().map(str::to_owned)
}

/// `kind` of a strategic merge patch. `None` if there is none, or several that differ.
fn kind_in(text: &str) -> Option<String> {
    let mut kinds = text.lines().filter_map(|line| line.strip_prefix("kind:"));
    let quotes: &[char] = &['"', '\'', ' '];
    let clean = |kind: &str| kind.trim().trim_matches(quotes).to_owned();
    let first = clean(kinds.next()?);
    kinds.all(|kind| clean(kind) == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_matters_if_it_may_change_an_object_that_is_read() {
        let of = |kind: Option<&str>| Patch {
            kind: kind.map(str::to_owned),
            path: None,
        };
        for kind in [
            Some("HTTPRoute"),
            Some("Deployment|Service"),
            Some(".*"),
            Some("SecurityPolicy"),
            None,
        ] {
            assert!(of(kind).matters(None), "{kind:?}");
        }
        for kind in ["Deployment", "(Deployment|StatefulSet)", "HelmRelease"] {
            assert!(!of(Some(kind)).matters(None), "{kind}");
        }
        let text = "apiVersion: apps/v1\nkind: Deployment\n";
        assert!(!of(None).matters(Some(text)));
        assert!(of(None).matters(Some("- op: add\n  path: /spec/hostnames/-\n")));
    }
}
