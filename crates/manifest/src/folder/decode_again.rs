//! Decodes a file again because of another file, and keeps what a file says about others.
//!
//! In: the known content of a file, and a new context, such as another namespace. Out: the content as it would be if the
//! file had always had this context. Never reads a file.

use super::file_state::{Documents, FileState};
use super::last_good::UnaccountedObjects;
use crate::decode::document::DecodedDocument;
use crate::decode::document_reader;
use crate::kind::AnyObject;
use crate::kustomize::DecodeContext;
use crate::kustomize::Fact;
use crate::substitution::VariableSource;
use gatefold_diagnostic::yaml::AliasBudget;
use gatefold_diagnostic::{Document, Findings, Place, ResourceId, Severity, Source};
use std::collections::HashMap;
use std::sync::Arc;

impl FileState {
    /// The state of the file with another context. Its text stays the same.
    pub(super) fn under(mut self, context: &DecodeContext) -> FileState {
        let must_reread = self.must_reread();
        let fingerprint = self.fingerprint;
        let (chart, may_be_template) = (self.chart.clone(), self.may_be_template);
        let mut state = match (self.take_source(), self.diagnostics.first_mut()) {
            (Some(source), _) => FileState::read(source, Some(self), fingerprint, context.clone()),
            (None, Some(refused)) => {
                refused.notes.clear();
                let refused = refused.clone();
                let old = self.decoded_again(context);
                FileState::unread(refused, Some(old), fingerprint)
            }
            (None, None) => self.decoded_again(context),
        };
        state.set_must_reread(must_reread);
        (state.chart, state.may_be_template) = (chart, may_be_template);
        state
    }

    /// The state as the base of the next one, if that has another context. Its documents and objects are decoded again.
    pub(super) fn decoded_again(mut self, context: &DecodeContext) -> FileState {
        if self.context == *context {
            return self;
        }
        self.context = context.clone();
        let mut names = HashMap::new();
        let mut known = KnownDocuments {
            context,
            decoded: HashMap::new(),
        };
        for object in &mut self.objects {
            let before = object.id();
            if let Some(now) = known.object(object) {
                *object = now;
            }
            names.insert(before, object.id());
        }
        for (document, decoded) in &mut self.documents {
            *decoded = document_reader::read(document, context, &mut AliasBudget::default());
        }
        let renamed = |id: &ResourceId| names.get(id).unwrap_or(id).clone();
        self.partial = self.partial.iter().map(renamed).collect();
        if let Some(unaccounted) = &mut self.unaccounted {
            unaccounted.rename(renamed);
        }
        self
    }

    /// Sets what the file says about other files. If that has errors, the last good version stays in force.
    pub(super) fn read_facts(&mut self, documents: &Documents, old: &mut FileState) {
        let broken = |(_, decoded): &(Document, DecodedDocument)| decoded.has_broken_fact;
        let is_broken = !self.whole || documents.iter().any(broken);
        if !is_broken || old.facts.is_empty() {
            let facts = documents.iter().flat_map(|(_, decoded)| &decoded.facts);
            self.facts = facts.cloned().collect();
            return;
        }
        self.facts = std::mem::take(&mut old.facts);
        if self.objects.is_empty() && old.objects.is_empty() {
            let mut found = self.diagnostics.iter_mut();
            if let Some(error) = found.find(|it| it.severity == Severity::Error) {
                let note = "the last good content of this file stays in force";
                error.notes.push(note.to_owned());
            }
        }
    }
}

impl UnaccountedObjects {
    fn rename(&mut self, renamed: impl Fn(&ResourceId) -> ResourceId) {
        self.objects = self.objects.iter().map(renamed).collect();
    }
}

/// Documents that were decoded again.
struct KnownDocuments<'c> {
    context: &'c DecodeContext,
    /// By the address of the text, and the position of the document in it.
    decoded: HashMap<(*const Source, usize), DecodedDocument>,
}

impl KnownDocuments<'_> {
    /// The object of the same document. `None` if the document has no such object any more; the last good one stays then.
    fn object(&mut self, object: &AnyObject) -> Option<AnyObject> {
        let document = object.document();
        let key = (Arc::as_ptr(&document.source), document.bytes.start);
        let whole = Document {
            item: None,
            ..document.clone()
        };
        let context = self.context;
        let decoded = self
            .decoded
            .entry(key)
            .or_insert_with(|| document_reader::read(&whole, context, &mut AliasBudget::default()));
        let partial = decoded.partial.iter().map(|(_, partial)| partial);
        let mut all = decoded.objects.iter().chain(partial);
        all.find(|it| it.document().item == document.item).cloned()
    }
}

/// A file with one variable a line, as the only document of the file.
pub(super) fn variable_lines(source: &Arc<Source>) -> Documents {
    let document = Document {
        source: source.clone(),
        bytes: 0..source.text.len(),
        line: 1,
        item: None,
    };
    let mut findings = Findings::default();
    let variables = VariableSource::of_lines(&document, &mut findings);
    let has_errors = findings.has_errors();
    let diagnostics = findings.into_diagnostics(Place::File(source.path.clone()));
    let facts = vec![Fact::Variables(Box::new(variables))];
    let decoded = DecodedDocument {
        facts: if has_errors { Vec::new() } else { facts },
        has_broken_fact: has_errors,
        diagnostics,
        ..DecodedDocument::default()
    };
    vec![(document, decoded)]
}
