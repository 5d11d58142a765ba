use super::{RecordedStatus, object};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;
use gatefold_diagnostic::{Document, Place, Pointer, ResourceId};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

object! {
    /// What every object has. All of it is taken as it stands in the file.
    #[derive(Default)]
    pub open ObjectMeta {
        /// The name; the loader lets none be empty.
        "name" => name: Arc<str> = Arc::default(),
        /// The namespace; empty until the loader has filled in the default, and for cluster-scoped kinds.
        "namespace" => namespace: Arc<str> = Arc::default(),
        /// Labels.
        "labels" => labels: BTreeMap<String, String>,
        /// Annotations.
        "annotations" => annotations: BTreeMap<String, String>,
        /// The generation; 1 when the file has none.
        "generation" => generation: i64 = 1,
        /// When it was made, RFC 3339; absent in most hand-written files.
        "creationTimestamp" => creation_timestamp: Option<Timestamp>,
        /// The API server's identity of the object.
        "uid" => uid: String = String::new(),
        /// The API server's version of the object.
        "resourceVersion" => resource_version: String = String::new(),
    }
}

impl ObjectMeta {
    /// The bytes of `namespace/name`, or of the name alone.
    fn shown(&self) -> impl Iterator<Item = u8> {
        let separator = (!self.namespace.is_empty()).then_some(b'/');
        self.namespace
            .bytes()
            .chain(separator)
            .chain(self.name.bytes())
    }
}

/// An instant, as `metadata.creationTimestamp` gives it.
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

/// A namespace and a name: what tells objects of one kind apart. A copy shares the texts: every reload makes maps of
/// ten thousands of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl NamespacedName {
    /// From its two parts.
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

/// An object of some kind, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<S> {
    /// The kind, as in the manifest.
    pub kind: &'static str,
    /// The `apiVersion` that the manifest gives: `gateway.networking.k8s.io/v1beta1`.
    pub api_version: String,
    /// `metadata`.
    pub meta: ObjectMeta,
    /// What the kind is about: `spec`, or the kind's own top-level fields (Secret, EndpointSlice).
    pub spec: S,
    /// The `status` that the file has, for kinds whose status gatefold reports.
    pub recorded_status: Option<Arc<RecordedStatus>>,
    /// Where it stands.
    pub document: Document,
}

impl<S> Object<S> {
    /// Namespace and name.
    pub fn key(&self) -> NamespacedName {
        NamespacedName::new(self.meta.namespace.clone(), self.meta.name.clone())
    }

    /// The `status` that the file has; empty if it has none.
    pub fn recorded(&self) -> &RecordedStatus {
        static NONE: RecordedStatus = RecordedStatus {
            conditions: Vec::new(),
            listeners: Vec::new(),
            parents: Vec::new(),
            ancestors: Vec::new(),
        };
        self.recorded_status.as_deref().unwrap_or(&NONE)
    }

    /// What a diagnostic calls it.
    pub fn id(&self) -> ResourceId {
        ResourceId {
            kind: self.kind.to_owned(),
            namespace: self.meta.namespace.to_string(),
            name: self.meta.name.to_string(),
        }
    }

    /// The place of one of its fields.
    pub fn place(&self, pointer: Pointer) -> Place {
        Place::Field {
            document: self.document.clone(),
            pointer,
        }
    }

    /// What decides between objects that claim the same: the older first (one without a creation time
    /// counts as older than any with one), then "alphabetical by {namespace}/{name}" (API conflict
    /// resolution rules): by the text as a whole, in which `-` stands before `/`.
    pub fn age(&self) -> (Option<Timestamp>, String) {
        (self.meta.creation_timestamp, self.key().to_string())
    }

    /// The order of [`age`](Self::age), without making texts: thousands of routes are put in it at each reload.
    pub fn by_age(&self, other: &Self) -> Ordering {
        let (one, other) = (&self.meta, &other.meta);
        let times = one.creation_timestamp.cmp(&other.creation_timestamp);
        times.then_with(|| match one.namespace == other.namespace {
            // The same text stands before both.
            true => one.name.cmp(&other.name),
            false => one.shown().cmp(other.shown()),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Loader;

    #[test]
    fn both_ways_of_telling_the_older_object_agree() {
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
