//! What all objects have in common: `metadata`, their document and their age.

use crate::api::{RecordedStatus, object};
use crate::kind::{Kind, Spec};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;
use gatefold_diagnostic::{Document, Place, Pointer, ResourceId};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

object! {
    /// The metadata of an object, as its file contains it.
    #[derive(Default)]
    pub open ObjectMeta {
        /// The name. Loaded objects always have one.
        "name" => name: Arc<str> = Arc::default(),
        /// The namespace; the loader fills in the default. Empty for cluster-scoped kinds.
        "namespace" => namespace: Arc<str> = Arc::default(),
        /// Labels.
        "labels" => labels: BTreeMap<String, String>,
        /// Annotations.
        "annotations" => annotations: BTreeMap<String, String>,
        /// The generation; 1 if the file has none.
        "generation" => generation: i64 = 1,
        /// The creation time, RFC 3339; absent in most hand-written files.
        "creationTimestamp" => creation_timestamp: Option<Timestamp>,
        /// The identifier that an API server gave to the object.
        "uid" => uid: String = String::new(),
        /// The version that an API server gave to the object.
        "resourceVersion" => resource_version: String = String::new(),
    }
}

impl ObjectMeta {
    /// The order of [`Object::age`], without allocating, because each reload sorts thousands of routes.
    pub fn by_age(&self, other: &Self) -> Ordering {
        let times = self.creation_timestamp.cmp(&other.creation_timestamp);
        times.then_with(|| {
            if self.namespace == other.namespace {
                self.name.cmp(&other.name)
            } else {
                self.path_bytes().cmp(other.path_bytes())
            }
        })
    }

    /// The bytes of `namespace/name`, or of the name if there is no namespace.
    fn path_bytes(&self) -> impl Iterator<Item = u8> {
        let separator = (!self.namespace.is_empty()).then_some(b'/');
        self.namespace
            .bytes()
            .chain(separator)
            .chain(self.name.bytes())
    }
}

/// A time, as in `metadata.creationTimestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub time::OffsetDateTime);

impl Decode for Timestamp {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        match time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339) {
            Ok(instant) => Some(Timestamp(instant)),
            Err(error) => {
                decoder.invalid(node, format_args!("not an RFC 3339 date and time: {error}"));
                None
            }
        }
    }
}

/// A namespace and a name, which identify an object of a kind. Clones share the texts, because every reload builds maps
/// of tens of thousands of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl NamespacedName {
    /// Creates the key from its two parts.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        NamespacedName {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// An object of some kind, with its position in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<S> {
    /// The `apiVersion` in the manifest: `gateway.networking.k8s.io/v1beta1`.
    pub api_version: Arc<str>,
    /// `metadata`.
    pub meta: ObjectMeta,
    /// The kind's own fields: `spec`, or top-level fields (Secret, EndpointSlice).
    pub spec: S,
    /// The `status` in the file, for kinds whose status gatefold reports.
    pub recorded_status: Option<Arc<RecordedStatus>>,
    /// The text of the object.
    pub document: Document,
}

impl<S: Spec> Object<S> {
    /// The kind.
    pub fn kind(&self) -> Kind {
        S::KIND
    }

    /// The namespace and the name.
    pub fn key(&self) -> NamespacedName {
        NamespacedName::new(self.meta.namespace.clone(), self.meta.name.clone())
    }

    /// The `status` in the file; empty if it has none.
    pub fn recorded(&self) -> &RecordedStatus {
        static NONE: RecordedStatus = RecordedStatus {
            conditions: Vec::new(),
            listeners: Vec::new(),
            parents: Vec::new(),
            ancestors: Vec::new(),
        };
        self.recorded_status.as_deref().unwrap_or(&NONE)
    }

    /// The identity of the object in diagnostics.
    pub fn id(&self) -> ResourceId {
        ResourceId {
            kind: S::KIND.name().to_owned(),
            namespace: self.meta.namespace.to_string(),
            name: self.meta.name.to_string(),
        }
    }

    /// The place of a field.
    pub fn place(&self, pointer: Pointer) -> Place {
        Place::Field {
            document: self.document.clone(),
            pointer,
        }
    }

    /// The key that decides between objects with the same claim (the API's conflict resolution rules). The older object
    /// is first; an object without a creation time is older than any with one. Then follows "alphabetical by
    /// {namespace}/{name}": the whole text is compared, in which `-` sorts before `/`.
    pub fn age(&self) -> (Option<Timestamp>, String) {
        (self.meta.creation_timestamp, self.key().to_string())
    }

    /// Compares by [`age`](Self::age) without allocating.
    pub fn by_age(&self, other: &Self) -> Ordering {
        self.meta.by_age(&other.meta)
    }
}

#[cfg(test)]
mod tests {
    use crate::Loader;

    #[test]
    fn comparing_by_age_agrees_with_the_age_key() {
        let namespace = |name: &str, text: &str| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{{name}{text}}}\nspec: {{ports: [{{port: 80}}]}}\n"
            )
        };
        let mut text = String::new();
        for space in ["", ", namespace: a", ", namespace: a-b", ", namespace: b"] {
            for name in ["name: a", "name: a-b", "name: b"] {
                text += &namespace(name, space);
            }
        }
        text += &namespace("name: young", ", creationTimestamp: 2026-01-01T00:00:00Z");
        text += &namespace("name: old", ", creationTimestamp: 2020-01-01T00:00:00Z");
        let services = Loader::from_text("a.yaml", text).resources.services;
        assert_eq!(services.len(), 14);
        for one in services.values() {
            for other in services.values() {
                let (named, key) = (one.key(), other.key());
                assert_eq!(
                    one.by_age(other),
                    one.age().cmp(&other.age()),
                    "{named}, {key}"
                );
            }
        }
    }
}
