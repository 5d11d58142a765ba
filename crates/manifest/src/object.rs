//! From a document's tree to typed objects: what every kind has in common.

use super::decode::{Decoder, Fields};
use super::kind::{AnyObject, Body, Header, Kind, Scope};
use crate::api::{ObjectMeta, RecordedStatus};
use crate::decode::document::DecodedDocument;
use crate::decode::name;
use crate::decode::old_version;
use crate::decode::unknown_kind::suspicion;
use crate::unread_policy;
use gatefold_diagnostic::Findings;
use gatefold_diagnostic::yaml::AliasBudget;
use gatefold_diagnostic::yaml::{self, Tree};
use gatefold_diagnostic::yaml::{Node, Span, Value};
use gatefold_diagnostic::{Code, Diagnostic, Document, Place, ResourceId, Severity};
use std::sync::Arc;

/// Reads a document: one object, or the items of a list.
pub(super) fn read(document: &Document, budget: &mut AliasBudget) -> DecodedDocument {
    let mut reading = Reading {
        document,
        objects: Vec::new(),
        refused: Vec::new(),
        partial: Vec::new(),
        nameless: false,
        findings: Findings::default(),
    };
    let tree = yaml::parse(document, budget, &mut reading.findings);
    if let Tree::Node(root) = &tree {
        reading.root(root);
    }
    let place = Place::Bytes {
        source: document.source.clone(),
        bytes: document.bytes.start..document.bytes.start,
    };
    let mut diagnostics = reading.findings.into_diagnostics(place);
    diagnostics.sort_by_key(|found| match &found.place {
        Place::Bytes { bytes, .. } => bytes.start,
        _ => usize::MAX,
    });
    DecodedDocument {
        objects: reading.objects,
        refused: reading.refused,
        partial: reading.partial,
        diagnostics,
        broken: matches!(tree, Tree::Broken),
        nameless: reading.nameless,
    }
}

/// `apiVersion` and `kind`, which the items of a typed list may leave to the list.
struct TypeMeta {
    api_version: String,
    kind: String,
    /// What to underline when the kind is the matter.
    span: Span,
    version_span: Span,
}

struct Reading<'d> {
    document: &'d Document,
    objects: Vec<AnyObject>,
    refused: Vec<ResourceId>,
    partial: Vec<(ResourceId, AnyObject)>,
    nameless: bool,
    findings: Findings,
}

impl Reading<'_> {
    fn root(&mut self, root: &Node) {
        let Value::Mapping(_) = root.value else {
            let what = root.value.describe();
            let message = format!("a Kubernetes object is a mapping, but this is {what}");
            self.report(Code::NotAnObject, &root.span, message);
            self.nameless = true;
            return;
        };
        let Some(meta) = self.type_meta(root, None) else {
            return;
        };
        match root.field("items").map(|items| &items.value) {
            Some(Value::Sequence(items)) if meta.kind.ends_with("List") => self.list(&meta, items),
            Some(Value::Null) | None if meta.kind == "List" => {}
            _ => self.object(root, meta, self.document.clone()),
        }
    }

    fn list(&mut self, list: &TypeMeta, items: &[Node]) {
        for (index, item) in items.iter().enumerate() {
            let document = Document {
                item: Some(index),
                ..self.document.clone()
            };
            let kind = list
                .kind
                .strip_suffix("List")
                .filter(|kind| !kind.is_empty());
            let defaults = kind.map(|kind| (list.api_version.as_str(), kind));
            if let Some(meta) = self.type_meta(item, defaults) {
                self.object(item, meta, document);
            }
        }
    }

    fn type_meta(&mut self, node: &Node, defaults: Option<(&str, &str)>) -> Option<TypeMeta> {
        let text = |field: &str, default: Option<&str>| match node.entry(field) {
            Some((_, value)) => Some((value.as_str()?.to_owned(), value.span.clone())),
            None => Some((default?.to_owned(), node.span.clone())),
        };
        let api_version = text("apiVersion", defaults.map(|(version, _)| version));
        let kind = text("kind", defaults.map(|(_, kind)| kind));
        let (Some((api_version, version_span)), Some((kind, span))) = (&api_version, &kind) else {
            let missing = match (api_version, kind) {
                (None, None) => "neither `apiVersion` nor `kind`",
                (None, _) => "no `apiVersion`",
                _ => "no `kind`",
            };
            let message = format!("not a Kubernetes object: it has {missing}");
            self.report(Code::NotAnObject, &node.span, message);
            self.nameless = true;
            return None;
        };
        Some(TypeMeta {
            api_version: api_version.clone(),
            kind: kind.clone(),
            span: span.clone(),
            version_span: version_span.clone(),
        })
    }

    fn object(&mut self, node: &Node, meta: TypeMeta, document: Document) {
        let (group, version) = split_api_version(&meta.api_version);
        let Some(kind) = Kind::find(group, &meta.kind) else {
            return self.other_kind(group, node, &meta, document);
        };
        if !kind.versions().contains(&version) {
            let id = identity(node, kind);
            self.unknown_version(kind, &meta).resource = Some(id.clone());
            self.protect_by(kind, node, &id, &document);
            return self.refuse(kind, id);
        }
        let mut decoder = Decoder::new(document.clone(), None);
        let read = decode(node, kind, meta, document.clone(), &mut decoder);
        let findings = decoder.into_findings();
        let unsound = self.has_errors(node, &read.id, &findings);
        match read.object {
            Some(object) if !unsound => self.objects.push(object),
            _ => {
                self.protect_by(kind, node, &read.id, &document);
                self.refuse(kind, read.id);
            }
        }
        self.findings.append(findings);
    }

    /// Without a BackendTLSPolicy its Services would be spoken to in plain text. One that can't be read counts as a policy
    /// that can't be enforced.
    fn protect_by(&mut self, kind: Kind, node: &Node, id: &ResourceId, document: &Document) {
        if kind != Kind::BackendTLSPolicy {
            return;
        }
        let mut ignored = Decoder::new(document.clone(), None);
        let named = (kind.group(), kind.name());
        if let Some(policy) = unread_policy::read(named, node, document, &mut ignored).policy {
            let policy = AnyObject::Policy(Arc::new(policy));
            self.partial.push((id.clone(), policy));
        }
    }

    /// Whether an object has errors. What the parser found in it, a duplicate key, counts against it as well, but not in
    /// its status.
    fn has_errors(&mut self, node: &Node, id: &ResourceId, findings: &Findings) -> bool {
        let span = &node.span;
        let status = node.field("status").map(|status| &status.span);
        let parsed = self.findings.iter_mut().filter(|found| within(found, span));
        let mut unsound = findings.has_errors();
        for found in parsed {
            if status.is_some_and(|status| within(found, status)) {
                found.severity = found.severity.max(Severity::Warning);
            }
            unsound |= found.severity == Severity::Error;
            found.resource = Some(id.clone());
        }
        unsound
    }

    /// An object of a kind that isn't read: policies are kept, the rest is ignored.
    fn other_kind(&mut self, group: &str, node: &Node, meta: &TypeMeta, document: Document) {
        let kind = meta.kind.as_str();
        if !unread_policy::is_policy(group, kind, node) {
            return self.ignored(group, meta);
        }
        if suspicion(group, kind).is_some() {
            // A slip in the kind must not open what the policy is to protect.
            let mut ignored = Decoder::new(document.clone(), None);
            let read = unread_policy::read((group, kind), node, &document, &mut ignored);
            let policy = read
                .policy
                .map(|it| (read.id, AnyObject::Policy(Arc::new(it))));
            self.partial.extend(policy);
            return self.ignored(group, meta);
        }
        let mut decoder = Decoder::new(document.clone(), None);
        let read = unread_policy::read((group, kind), node, &document, &mut decoder);
        let findings = decoder.into_findings();
        let unsound = self.has_errors(node, &read.id, &findings);
        let policy = read
            .policy
            .map(|policy| AnyObject::Policy(Arc::new(policy)));
        match (policy, name::is_valid_namespaced(&read.id)) {
            (Some(policy), _) if !unsound => self.objects.push(policy),
            (policy, true) => {
                let partial = policy.map(|policy| (read.id.clone(), policy));
                self.partial.extend(partial);
                self.refused.push(read.id);
            }
            (_, false) => self.nameless = true,
        }
        self.findings.append(findings);
    }

    /// Notes an object that doesn't count as it is written.
    fn refuse(&mut self, kind: Kind, id: ResourceId) {
        match name::is_valid(kind, &id) {
            true => self.refused.push(id),
            false => self.nameless = true,
        }
    }

    fn unknown_version(&mut self, kind: Kind, meta: &TypeMeta) -> &mut Diagnostic {
        let message = format!("{} has no version `{}`", kind.name(), meta.api_version);
        let found = self.report(Code::UnknownVersion, &meta.version_span, message);
        let write = format!("write `apiVersion: {}`", kind.api_version());
        found.help = Some(match old_version::changes(kind, &meta.api_version) {
            Some(changes) => format!("{write}, and {changes}"),
            None => write,
        });
        found
    }

    fn ignored(&mut self, group: &str, meta: &TypeMeta) {
        let message = format!("{} ({}) isn't used here", meta.kind, meta.api_version);
        let suspicion = suspicion(group, &meta.kind);
        let found = self.report(Code::IgnoredKind, &meta.span, message);
        if let Some(help) = suspicion {
            found.severity = Severity::Warning;
            found.help = Some(help);
            self.nameless = true;
        }
    }

    fn report(&mut self, code: Code, span: &Span, message: String) -> &mut Diagnostic {
        let place = Place::Bytes {
            source: self.document.source.clone(),
            bytes: span.clone(),
        };
        self.findings.push(Diagnostic::new(code, place, message))
    }
}

/// An object, if it can be read, and how it is called.
struct Read {
    object: Option<AnyObject>,
    id: ResourceId,
}

fn decode(
    node: &Node,
    kind: Kind,
    type_meta: TypeMeta,
    document: Document,
    decoder: &mut Decoder,
) -> Read {
    let id = identity(node, kind);
    let fields = match kind.body() {
        Body::Spec | Body::OptionalSpec => decoder.closed(node),
        Body::Root => decoder.open(node),
    };
    let Some(mut fields) = fields else {
        return Read { object: None, id };
    };
    decoder.about(id.clone());
    fields.skip("apiVersion");
    fields.skip("kind");
    let meta = metadata(node, kind, &mut fields, decoder);
    let reports_status = kind.reports_status();
    let status = reports_status.then(|| RecordedStatus::read(node, decoder));
    let header = meta.map(|meta| Header {
        api_version: type_meta.api_version,
        meta,
        recorded_status: status.flatten().map(Arc::new),
        document,
    });
    let object = body(node, kind, header, fields, decoder);
    Read { object, id }
}

/// How an object is called, whatever else may be wrong with it.
fn identity(node: &Node, kind: Kind) -> ResourceId {
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
        Scope::Namespaced if meta.namespace.is_empty() => meta.namespace = Arc::from("default"),
        Scope::Namespaced => {}
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
    let header = header.unwrap_or_else(|| Header::nameless(decoder));
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

/// `group/version`, or a version of the core group.
fn split_api_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

fn within(found: &Diagnostic, span: &Span) -> bool {
    match &found.place {
        Place::Bytes { bytes, .. } => span.start <= bytes.start && bytes.end <= span.end,
        _ => false,
    }
}
