//! Reads the objects of a document.
//!
//! In: one YAML document. Out: its objects, the names of the objects that it refuses, and diagnostics.

mod facts;
mod unusable;

use super::document::DecodedDocument;
use super::not_a_manifest::DocumentType;
use super::object::{self, identity};
use super::unknown_kind::suggest_kind;
use super::{Decoder, name, not_a_manifest, old_version};
use crate::kind::{AnyObject, Kind, split_api_version};
use crate::kustomize::{DecodeContext, FLUX_GROUP, Fact, FileRole, FluxKustomization};
use crate::refused::{RefusalReason, RefusedObject};
use crate::substitution::VariableSource;
use crate::unread_policy;
use crate::unread_route::UnreadRoute;
use gatefold_diagnostic::yaml::{self, AliasBudget, Node, Span, Tree, Value};
use gatefold_diagnostic::{Code, Diagnostic, Document, Findings, Place, ResourceId, Severity};

/// Reads a document that contains an object, a list of objects, a kustomization, or variables.
pub(crate) fn read(
    document: &Document,
    context: &DecodeContext,
    budget: &mut AliasBudget,
) -> DecodedDocument {
    let mut reader = DocumentReader::new(document, context);
    let (path, text) = (&document.source.path, document.text().unwrap_or_default());
    let is_read = context.role() == FileRole::Variables || reader.is_kustomization_file();
    if let Some(known) = not_a_manifest::by_text(path, text).filter(|_| !is_read) {
        let message = "not a Kubernetes object: it has neither `apiVersion` nor `kind`";
        let start = document.bytes.start..document.bytes.start;
        reader.report(Code::NotAnObject, &start, message.to_owned());
        reader.has_unidentified = true;
        return reader.end(false, Some(known));
    }
    let mut tree = yaml::parse(document, budget, &mut reader.findings);
    let passed_over = match (&mut tree, context.role()) {
        (Tree::Node(root), FileRole::Variables) => {
            reader.variables(root);
            None
        }
        (Tree::Node(root), _) if reader.is_kustomization(root) => {
            reader.kustomization(root);
            None
        }
        (Tree::Node(root), _) => {
            context.apply(document, root, &mut reader.findings);
            reader.root(root);
            not_a_manifest::of_tree(path, root)
        }
        (Tree::Empty, _) => None,
        (Tree::Broken, _) if is_read => None,
        (Tree::Broken, _) => not_a_manifest::of_broken(path, text),
    };
    let broken = matches!(tree, Tree::Broken);
    if text.contains("{{") {
        reader.mention_templates();
    }
    reader.end(broken, passed_over)
}

/// `apiVersion` and `kind`. An item of a typed list may omit them.
struct TypeMeta {
    api_version: String,
    kind: String,
    /// The part of the text to underline in a diagnostic about the kind.
    span: Span,
    version_span: Span,
}

/// Collects what a document contains. The fields are those of [`DecodedDocument`].
struct DocumentReader<'d> {
    document: &'d Document,
    context: &'d DecodeContext,
    facts: Vec<Fact>,
    has_broken_fact: bool,
    objects: Vec<AnyObject>,
    refused: Vec<RefusedObject>,
    partial: Vec<(ResourceId, AnyObject)>,
    unread_routes: Vec<UnreadRoute>,
    has_unidentified: bool,
    findings: Findings,
}

impl<'d> DocumentReader<'d> {
    fn new(document: &'d Document, context: &'d DecodeContext) -> Self {
        DocumentReader {
            document,
            context,
            facts: Vec::new(),
            has_broken_fact: false,
            objects: Vec::new(),
            refused: Vec::new(),
            partial: Vec::new(),
            unread_routes: Vec::new(),
            has_unidentified: false,
            findings: Findings::default(),
        }
    }

    /// The result, with the problems in the order of the text.
    fn end(mut self, broken: bool, passed_over: Option<DocumentType>) -> DecodedDocument {
        let start = self.document.bytes.start;
        let place = Place::Bytes {
            source: self.document.source.clone(),
            bytes: start..start,
        };
        let mut diagnostics = self.findings.into_diagnostics(place);
        diagnostics.sort_by_key(|found| match &found.place {
            Place::Bytes { bytes, .. } => bytes.start,
            _ => usize::MAX,
        });
        if self.context.settings().is_some() {
            drop_repeated(&mut diagnostics);
        }
        self.objects.shrink_to_fit();
        DecodedDocument {
            objects: self.objects,
            refused: self.refused,
            partial: self.partial,
            unread_routes: self.unread_routes,
            diagnostics,
            facts: self.facts,
            has_broken_fact: self.has_broken_fact,
            broken,
            has_unidentified: self.has_unidentified,
            passed_over,
        }
    }

    fn root(&mut self, root: &Node) {
        let Value::Mapping(_) = root.value else {
            let what = root.value.describe();
            let message = format!("a Kubernetes object is a mapping, but this is {what}");
            let found = self.report(Code::NotAnObject, &root.span, message);
            found.help = not_a_manifest::advice(root);
            self.has_unidentified = true;
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
            let found = self.report(Code::NotAnObject, &node.span, message);
            found.help = not_a_manifest::advice(node);
            self.has_unidentified = true;
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
        if self.context.records_variables() {
            let source = VariableSource::of_object(node, &document);
            self.facts
                .extend(source.map(|it| Fact::Variables(Box::new(it))));
        }
        let Some(kind) = Kind::find(group, &meta.kind) else {
            return self.other_kind(group, node, &meta, document);
        };
        if not_a_manifest::is_encrypted(node) {
            self.protect_targets(kind, node, &identity(node, kind), &document);
            return self.encrypted(node, kind, &document);
        }
        if !kind.versions().contains(&version) {
            let id = identity(node, kind);
            self.unknown_version(kind, &meta).resource = Some(id.clone());
            self.protect_targets(kind, node, &id, &document);
            return self.refuse(kind, id, RefusalReason::Errors, (node, &document));
        }
        let mut decoder = Decoder::new(document.clone(), None);
        let read = object::read(node, kind, meta.api_version, document.clone(), &mut decoder);
        let findings = decoder.into_findings();
        let unsound = self.has_errors(node, &read.id, &findings);
        match read.object {
            Some(object) if !unsound => self.objects.push(object),
            _ => {
                self.protect_targets(kind, node, &read.id, &document);
                self.refuse(kind, read.id, RefusalReason::Errors, (node, &document));
            }
        }
        self.findings.append(findings);
    }

    /// Keeps the readable part of a refused policy whose targets must not be served without it. Without a
    /// BackendTLSPolicy, for example, requests to its Services would be sent in plain text.
    fn protect_targets(&mut self, kind: Kind, node: &Node, id: &ResourceId, document: &Document) {
        if !kind.protects_targets() {
            return;
        }
        let mut ignored = Decoder::new(document.clone(), None);
        let named = (kind.group(), kind.name());
        let read = unread_policy::read(named, node, document, &mut ignored).policy;
        if let Some(policy) = read.filter(|policy| policy.protection.is_some()) {
            self.partial.push((id.clone(), AnyObject::new(policy)));
        }
    }

    /// Whether an object has errors. Errors of the parser, such as a duplicate key, count unless they are in `status`.
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

    /// Keeps an object of an unknown kind if it is a policy, and ignores it otherwise.
    fn other_kind(&mut self, group: &str, node: &Node, meta: &TypeMeta, document: Document) {
        let kind = meta.kind.as_str();
        if group == FLUX_GROUP && kind == "Kustomization" {
            let read = FluxKustomization::read(node, &document);
            if let Some(read) = read {
                self.facts.push(Fact::Flux(Box::new(read)));
                return;
            }
        }
        if !unread_policy::is_policy(group, kind, node) {
            let names = (group, kind);
            if let Some(route) = UnreadRoute::read(names, &meta.api_version, node, &document) {
                // The graph reports it, because it knows whether the parent is served.
                return self.unread_routes.push(route);
            }
            return self.ignored(group, meta);
        }
        if suggest_kind(group, kind).is_some() {
            // The targets stay protected although the name of the policy's kind is misspelled.
            let mut ignored = Decoder::new(document.clone(), None);
            let read = unread_policy::read((group, kind), node, &document, &mut ignored);
            let policy = read.policy.map(|it| (read.id, AnyObject::new(it)));
            self.partial.extend(policy);
            return self.ignored(group, meta);
        }
        let mut decoder = Decoder::new(document.clone(), None);
        let read = unread_policy::read((group, kind), node, &document, &mut decoder);
        let findings = decoder.into_findings();
        let unsound = self.has_errors(node, &read.id, &findings);
        let policy = read.policy.map(AnyObject::new);
        match (policy, name::is_valid_namespaced(&read.id)) {
            (Some(policy), _) if !unsound => self.objects.push(policy),
            (policy, true) => {
                let partial = policy.map(|policy| (read.id.clone(), policy));
                self.partial.extend(partial);
                let errors = RefusalReason::Errors;
                let refused = RefusedObject::new(read.id, errors, node, &document);
                self.refused.push(refused);
            }
            (_, false) => self.has_unidentified = true,
        }
        self.findings.append(findings);
    }

    /// Records an object that is refused.
    fn refuse(
        &mut self,
        kind: Kind,
        id: ResourceId,
        reason: RefusalReason,
        (node, document): (&Node, &Document),
    ) {
        if name::is_valid(kind, &id) {
            let refused = RefusedObject::new(id, reason, node, document);
            self.refused.push(refused);
        } else {
            self.has_unidentified = true;
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
        let suggestion = suggest_kind(group, &meta.kind);
        let found = self.report(Code::IgnoredKind, &meta.span, message);
        if let Some(help) = suggestion {
            found.severity = Severity::Warning;
            found.help = Some(help);
            self.has_unidentified = true;
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

/// Drops the warning about an undefined variable where an error says the same.
fn drop_repeated(diagnostics: &mut Vec<Diagnostic>) {
    let undefined = |found: &Diagnostic| found.code == Code::UndefinedVariable;
    let errors: Vec<Place> = diagnostics
        .iter()
        .filter(|found| undefined(found) && found.severity == Severity::Error)
        .map(|found| found.place.clone())
        .collect();
    diagnostics.retain(|found| {
        let is_warning = undefined(found) && found.severity == Severity::Warning;
        !(is_warning && errors.contains(&found.place))
    });
}

fn within(found: &Diagnostic, span: &Span) -> bool {
    match &found.place {
        Place::Bytes { bytes, .. } => span.start <= bytes.start && bytes.end <= span.end,
        _ => false,
    }
}
