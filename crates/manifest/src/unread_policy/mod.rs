//! Policies of kinds that gatefold doesn't read: their targets, and whether they protect them.
//!
//! In: an object of an unknown kind. Out: an [`UnreadPolicy`] if the object targets a kind that gatefold serves. The
//! other fields of the policy are scanned only for protection.

mod protection;
mod targets;
#[cfg(test)]
mod tests;

use crate::Spec;
use crate::api::{Object, ObjectMeta, PolicyTarget};
use crate::decode::Decoder;
use crate::decode::name;
use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Code, Document, Place, Pointer, ResourceId};
use std::fmt;
use std::sync::Arc;

/// A policy of a kind that gatefold doesn't read.
#[derive(Clone, Debug, PartialEq)]
pub struct UnreadPolicy {
    /// Kind, namespace and name.
    pub key: PolicyKey,
    /// `metadata`.
    pub meta: ObjectMeta,
    /// The targets of kinds that gatefold serves.
    pub targets: Vec<PolicyTarget>,
    /// The part of the policy that protects its targets from requests: its kind, or a field. `None` if it protects nothing.
    pub protection: Option<String>,
    /// The text of the policy.
    pub document: Document,
}

/// The identity of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyKey {
    /// The API group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// The index among the policies with this name, from 0, in the order of files. There should be only one, but each of
    /// them protects its targets.
    pub copy: u32,
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl UnreadPolicy {
    /// Returns a policy of a kind that gatefold reads, without targets, as one that isn't used.
    pub(crate) fn of<S: Spec>(object: &Object<S>) -> Self {
        UnreadPolicy {
            key: PolicyKey {
                group: S::KIND.group().into(),
                kind: S::KIND.name().into(),
                namespace: object.meta.namespace.clone(),
                name: object.meta.name.clone(),
                copy: 0,
            },
            meta: object.meta.clone(),
            targets: Vec::new(),
            protection: Some("its kind".to_owned()),
            document: object.document.clone(),
        }
    }

    /// The identity of the policy in diagnostics. The kind includes the group, because vendors use the same kind names.
    pub fn id(&self) -> ResourceId {
        ResourceId {
            kind: format!("{}.{}", self.key.kind, self.key.group),
            namespace: self.key.namespace.to_string(),
            name: self.key.name.to_string(),
        }
    }

    /// The place of a field.
    pub fn place(&self, pointer: Pointer) -> Place {
        Place::Field {
            document: self.document.clone(),
            pointer,
        }
    }
}

/// The readable part of a policy.
pub(super) struct DecodedPolicy {
    /// The policy with the targets that can be read. `None` if its name can't be read.
    pub policy: Option<UnreadPolicy>,
    /// The identity in diagnostics.
    pub id: ResourceId,
}

/// The policy kind that was probably meant. `None` if the kind isn't a misspelled known policy.
pub(super) fn meant(group: &str, kind: &str) -> Option<&'static str> {
    targets::meant(group, kind)
}

/// Whether an object of an unknown kind is a policy for a kind that gatefold serves.
pub(super) fn is_policy(group: &str, kind: &str, node: &Node) -> bool {
    targets::is_policy(group, kind, spec(node))
}

/// Reads a policy. Problems are reported to the decoder.
pub(super) fn read(
    (group, kind): (&str, &str),
    node: &Node,
    document: &Document,
    decoder: &mut Decoder,
) -> DecodedPolicy {
    let id = identity(group, kind, node);
    decoder.about(id.clone());
    let meta = metadata(kind, node, decoder);
    let empty = Node {
        span: node.span.clone(),
        value: Value::Mapping(Vec::new()),
    };
    let spec = spec(node).unwrap_or(&empty);
    let targets = decoder.within("spec", |decoder| {
        Some(targets::read((group, kind), &id.namespace, spec, decoder))
    });
    let targets = targets.unwrap_or_default();
    let protection = protection::find(group, meant(group, kind).unwrap_or(kind), spec);
    let policy = meta.map(|meta| UnreadPolicy {
        key: PolicyKey {
            group: group.into(),
            kind: kind.into(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            copy: 0,
        },
        meta,
        targets,
        protection,
        document: document.clone(),
    });
    DecodedPolicy { policy, id }
}

fn spec(node: &Node) -> Option<&Node> {
    node.field("spec").filter(|spec| spec.value != Value::Null)
}

fn metadata(kind: &str, node: &Node, decoder: &mut Decoder) -> Option<ObjectMeta> {
    let Some((key, metadata)) = node
        .entry("metadata")
        .filter(|(_, metadata)| metadata.value != Value::Null)
    else {
        let message = format!("{kind} has no `metadata.name`");
        decoder.report(Code::NotAnObject, &node.span, message);
        return None;
    };
    let meta: Option<ObjectMeta> = decoder.within_key(key, |decoder| {
        name::check_namespaced(kind, metadata, decoder);
        crate::decode::Decode::decode(metadata, decoder)
    });
    let mut meta = meta.filter(|meta| !meta.name.is_empty())?;
    if meta.namespace.is_empty() {
        meta.namespace = "default".into();
    }
    Some(meta)
}

/// The identity of a policy, even if it has errors.
fn identity(group: &str, kind: &str, node: &Node) -> ResourceId {
    let text = |field: &str| {
        let value = node.field("metadata")?.field(field)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    ResourceId {
        kind: format!("{kind}.{group}"),
        namespace: text("namespace").unwrap_or_else(|| "default".to_owned()),
        name: text("name").unwrap_or_default(),
    }
}
