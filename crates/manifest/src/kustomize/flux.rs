//! Reads a Flux Kustomization.
//!
//! In: the tree of an object of the kind Kustomization in the group `kustomize.toolkit.fluxcd.io`. Out: which folder it
//! applies, with which namespace and variables. Its problems are not reported: Flux reads it, not gatefold.

use super::patch::{self, Patch};
use crate::decode::name;
use crate::options::is_variable_name;
use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Document, Place, Pointer};

/// The API group.
pub(crate) const GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// A Flux Kustomization.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FluxKustomization {
    /// The text.
    pub document: Document,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// `spec.path`, relative to the root of the repository.
    pub path: String,
    /// `spec.components`, relative to `path`.
    pub components: Vec<String>,
    /// `spec.targetNamespace`.
    pub target_namespace: Option<String>,
    /// `spec.postBuild.substitute`.
    pub variables: Vec<(String, String)>,
    /// `spec.postBuild.substituteFrom`.
    pub sources: Vec<SourceReference>,
    /// `spec.patches`.
    pub patches: Vec<Patch>,
    /// Whether `namePrefix` or `nameSuffix` is set.
    pub renames: bool,
}

/// An element of `spec.postBuild.substituteFrom`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceReference {
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Whether the object may be missing.
    pub optional: bool,
}

impl FluxKustomization {
    /// Reads a Flux Kustomization. `None` if it has no name.
    pub(crate) fn read(object: &Node, document: &Document) -> Option<Self> {
        let metadata = object.field("metadata");
        let text = |node: Option<&Node>, field: &str| {
            let text = node?.field(field)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let spec = object.field("spec");
        let build = spec.and_then(|spec| spec.field("postBuild"));
        let target = text(spec, "targetNamespace");
        Some(FluxKustomization {
            document: document.clone(),
            name: text(metadata, "name")?,
            namespace: text(metadata, "namespace"),
            path: text(spec, "path").unwrap_or_else(|| "./".to_owned()),
            components: items(spec.and_then(|spec| spec.field("components")))
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            target_namespace: target.filter(|it| name::label(it).is_ok()),
            variables: variables(build.and_then(|build| build.field("substitute"))),
            sources: items(build.and_then(|build| build.field("substituteFrom")))
                .iter()
                .filter_map(SourceReference::read)
                .collect(),
            patches: spec.map(patch::read).unwrap_or_default(),
            renames: ["namePrefix", "nameSuffix"]
                .iter()
                .any(|field| text(spec, field).is_some()),
        })
    }

    /// The place of a field.
    pub(crate) fn place(&self, pointer: Pointer) -> Place {
        Place::Field {
            document: self.document.clone(),
            pointer,
        }
    }
}

impl SourceReference {
    fn read(node: &Node) -> Option<Self> {
        let text = |field: &str| node.field(field)?.as_str().map(str::to_owned);
        let optional = node.field("optional").map(|optional| &optional.value);
        Some(SourceReference {
            kind: text("kind")?,
            name: text("name")?,
            optional: optional == Some(&Value::Bool(true)),
        })
    }
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::Sequence(items)) => items,
        _ => &[],
    }
}

fn variables(node: Option<&Node>) -> Vec<(String, String)> {
    let Some(Value::Mapping(entries)) = node.map(|node| &node.value) else {
        return Vec::new();
    };
    let variable = |(key, node): &(gatefold_diagnostic::yaml::Key, Node)| {
        let value = crate::substitution::scalar_text(node)?;
        is_variable_name(&key.name).then(|| (key.name.clone(), value))
    };
    entries.iter().filter_map(variable).collect()
}
