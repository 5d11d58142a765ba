//! Reads a typed object: what all kinds have in common.
//!
//! In: the YAML node of an object, and its kind. Out: the object, and diagnostics. The kind's own fields are read by
//! [`Kind::decode`].

use super::{Decoder, Fields, name};
use crate::api::{Object, ObjectMeta, RecordedStatus, shared_text};
use crate::kind::{AnyObject, Body, Kind, Scope, Spec};
use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Code, Document, ResourceId};
use std::sync::Arc;

/// The result of reading an object of a known kind.
pub(super) struct ReadObject {
    /// `None` if the object can't be read.
    pub(super) object: Option<AnyObject>,
    /// The name of the object.
    pub(super) id: ResourceId,
}

/// Reads an object of a known kind.
pub(super) fn read(
    node: &Node,
    kind: Kind,
    api_version: String,
    document: Document,
    decoder: &mut Decoder,
) -> ReadObject {
    let id = identity(node, kind);
    let fields = match kind.body() {
        Body::Spec | Body::OptionalSpec => decoder.closed(node),
        Body::Root => decoder.open(node),
    };
    let Some(mut fields) = fields else {
        return ReadObject { object: None, id };
    };
    decoder.about(id.clone());
    fields.skip("apiVersion");
    fields.skip("kind");
    let meta = metadata(node, kind, &mut fields, decoder);
    let reports_status = kind.reports_status();
    let status = reports_status.then(|| RecordedStatus::read(node, decoder));
    let header = meta.map(|meta| Header {
        api_version: shared_text(&api_version),
        meta,
        recorded_status: status.flatten().map(Arc::new),
        document,
    });
    let object = body(node, kind, header, fields, decoder);
    ReadObject { object, id }
}

/// What is read of an object before its kind's own fields.
pub(crate) struct Header {
    api_version: Arc<str>,
    meta: ObjectMeta,
    recorded_status: Option<Arc<RecordedStatus>>,
    document: Document,
}

impl Header {
    /// Makes an object of the header and the kind's own fields.
    pub(crate) fn object<S: Spec>(self, spec: S) -> Object<S> {
        Object {
            api_version: self.api_version,
            meta: self.meta,
            spec,
            recorded_status: self.recorded_status,
            document: self.document,
        }
    }
}

/// The name of an object, even if the object has errors.
pub(super) fn identity(node: &Node, kind: Kind) -> ResourceId {
    let text = |field: &str| {
        let value = node.field("metadata")?.field(field)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let namespace = match kind.scope() {
        Scope::Cluster => None,
        Scope::Namespaced => text("namespace").or_else(|| Some("default".to_owned())),
    };
    ResourceId {
        kind: kind.name().to_owned(),
        namespace: namespace.unwrap_or_default(),
        name: text("name").unwrap_or_default(),
    }
}

fn metadata(
    node: &Node,
    kind: Kind,
    fields: &mut Fields<'_>,
    decoder: &mut Decoder,
) -> Option<ObjectMeta> {
    let absent = node
        .field("metadata")
        .is_none_or(|meta| meta.value == Value::Null);
    if absent {
        fields.skip("metadata");
        let message = format!("{} has no `metadata.name`", kind.name());
        decoder.report(Code::NotAnObject, &node.span, message);
        return None;
    }
    let meta = fields.read::<ObjectMeta>("metadata", decoder);
    if let Some((key, node)) = node.entry("metadata") {
        decoder.within_key(key, |decoder| {
            name::check(kind, node, decoder);
            Some(())
        });
    }
    let mut meta = meta?;
    match kind.scope() {
        Scope::Cluster => meta.namespace = Arc::default(),
        Scope::Namespaced if meta.namespace.is_empty() => meta.namespace = shared_text("default"),
        Scope::Namespaced => meta.namespace = shared_text(&meta.namespace),
    }
    Some(meta)
}

fn body(
    node: &Node,
    kind: Kind,
    header: Option<Header>,
    mut fields: Fields<'_>,
    decoder: &mut Decoder,
) -> Option<AnyObject> {
    // Without `metadata` the object is refused, but its other fields are read to report their errors as well.
    let header = header.unwrap_or_else(|| Header {
        api_version: Arc::default(),
        meta: ObjectMeta::default(),
        recorded_status: None,
        document: decoder.document().clone(),
    });
    if kind.body() == Body::Root {
        return kind.decode(node, header, decoder);
    }
    fields.skip("status");
    let empty = Node {
        span: node.span.clone(),
        value: Value::Mapping(Vec::new()),
    };
    let object = match node.entry("spec") {
        Some((key, spec)) if spec.value != Value::Null => {
            fields.skip("spec");
            decoder.within_key(key, |decoder| kind.decode(spec, header, decoder))
        }
        _ if kind.body() == Body::OptionalSpec => {
            fields.skip("spec");
            decoder.within("spec", |decoder| kind.decode(&empty, header, decoder))
        }
        _ => {
            fields.missing("spec", decoder);
            None
        }
    };
    fields.end(decoder);
    object
}
