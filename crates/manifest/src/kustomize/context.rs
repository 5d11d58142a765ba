//! What is decided about a file before it is decoded, because of other files and of the options.
//!
//! In: the tree of a document. Out: the tree as it would be after kustomize and Flux: with the namespace and the values of
//! variables. The positions stay those of the user's file.

use crate::kind::{Kind, Scope};
use crate::substitution::{TreeSubstitution, Variables};
use gatefold_diagnostic::yaml::{Key, Node, Value};
use gatefold_diagnostic::{Document, Findings};
use std::sync::Arc;

/// What is decided about a file. Clones share it. The default is that of a folder without kustomizations and options, and
/// costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct DecodeContext(Option<Arc<DecodeSettings>>);

/// What a file contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum FileRole {
    /// Objects, or a kustomization if its name says so.
    #[default]
    Manifests,
    /// Variables of `--substitute`.
    Variables,
    /// Nothing that counts: an input of a kustomization, or a part of an overlay that wasn't chosen.
    NotObjects,
}

/// The decisions about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct DecodeSettings {
    /// What the file contains.
    pub role: FileRole,
    /// The namespace of all objects, even if they have another one.
    pub namespace: Option<Arc<str>>,
    /// The namespace of objects that have none, if it isn't `default`.
    pub default_namespace: Option<Arc<str>>,
    /// The variables. `None` if none are substituted.
    pub variables: Option<Arc<Variables>>,
    /// Whether undefined variables in hostnames are replaced by names for testing.
    pub stand_ins: bool,
    /// Whether ConfigMaps and Secrets are recorded as sources of variables.
    pub records_variables: bool,
}

impl From<DecodeSettings> for DecodeContext {
    fn from(settings: DecodeSettings) -> Self {
        let is_plain = settings == DecodeSettings::default();
        DecodeContext((!is_plain).then(|| Arc::new(settings)))
    }
}

impl DecodeContext {
    /// The decisions. `None` if none differs from the default.
    pub(crate) fn settings(&self) -> Option<&DecodeSettings> {
        self.0.as_deref()
    }

    /// What the file contains.
    pub(crate) fn role(&self) -> FileRole {
        self.settings()
            .map_or(FileRole::Manifests, |settings| settings.role)
    }

    /// Whether ConfigMaps and Secrets are recorded as sources of variables.
    pub(crate) fn records_variables(&self) -> bool {
        self.settings()
            .is_some_and(|settings| settings.records_variables)
    }

    /// Changes the objects of a document as kustomize and Flux would.
    pub(crate) fn apply(&self, document: &Document, root: &mut Node, findings: &mut Findings) {
        let Some(settings) = self.settings() else {
            return;
        };
        let is_list = root
            .field("kind")
            .and_then(Node::as_str)
            .is_some_and(|kind| kind.ends_with("List"));
        match root.field_mut("items").map(|items| &mut items.value) {
            Some(Value::Sequence(items)) if is_list => {
                for item in items {
                    settings.apply(document, item, findings);
                }
            }
            _ => settings.apply(document, root, findings),
        }
    }
}

impl DecodeSettings {
    fn apply(&self, document: &Document, object: &mut Node, findings: &mut Findings) {
        if let Some(variables) = &self.variables {
            let substitution = TreeSubstitution::new(variables, self.stand_ins, document);
            substitution.apply(object, findings);
        }
        if self.namespace.is_some() || self.default_namespace.is_some() {
            self.set_namespace(object);
        }
    }

    /// Sets `metadata.namespace`. kustomize gives a Namespace this name, and leaves objects of other cluster-scoped kinds
    /// unchanged.
    fn set_namespace(&self, object: &mut Node) {
        let kind = Kind::of_node(object);
        let is_cluster_scoped = kind.is_some_and(|kind| kind.scope() == Scope::Cluster);
        let Some(metadata) = object.field_mut("metadata") else {
            return;
        };
        match (&self.namespace, &self.default_namespace) {
            (Some(namespace), _) if kind == Some(Kind::Namespace) => {
                metadata.set_text("name", namespace);
            }
            _ if is_cluster_scoped => {}
            (Some(namespace), _) => metadata.set_text("namespace", namespace),
            (None, Some(namespace)) if lacks_namespace(metadata) => {
                metadata.set_text("namespace", namespace);
            }
            (None, _) => {}
        }
    }
}

fn lacks_namespace(metadata: &Node) -> bool {
    metadata
        .field("namespace")
        .is_none_or(|namespace| namespace.value == Value::Null || namespace.as_str() == Some(""))
}

/// Changes of a tree.
trait ChangeNode {
    /// Sets the text of a field of a mapping. A new field has the position of the mapping.
    fn set_text(&mut self, name: &str, text: &str);
}

impl ChangeNode for Node {
    fn set_text(&mut self, name: &str, text: &str) {
        let value = Value::String(text.to_owned());
        if let Some(field) = self.field_mut(name) {
            field.value = value;
            return;
        }
        let span = self.span.clone();
        if let Value::Mapping(entries) = &mut self.value {
            let key = Key {
                span: span.clone(),
                name: name.to_owned(),
            };
            entries.push((key, Node { span, value }));
        }
    }
}
