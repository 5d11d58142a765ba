//! The known content of one file, from one load to the next.

use super::decode_again::variable_lines;
use super::file_text::{FileText, unreadable};
use super::fingerprint::Fingerprint;
use super::helm_chart;
use super::last_good::UnaccountedObjects;
use super::loader::LoadPass;
use super::scan::is_manifest;
use crate::decode::document::DecodedDocument;
use crate::decode::document_reader;
use crate::decode::not_a_manifest::PassedOver;
use crate::kind::AnyObject;
use crate::kustomize::{DecodeContext, Fact, FileRole};
use gatefold_diagnostic::yaml::{self, AliasBudget};
use gatefold_diagnostic::{Diagnostic, Document, Place, Pointer, ResourceId, Source};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The documents of a file, with what was decoded from each.
pub(super) type Documents = Vec<(Document, DecodedDocument)>;

/// The known content of a file.
#[derive(Debug, Default)]
pub(super) struct FileState {
    pub(super) fingerprint: Option<Fingerprint>,
    /// Whether the file is read again although its fingerprint is the same. The file may have been written to after it was
    /// read, or it couldn't be read for a reason that the fingerprint doesn't show.
    must_reread: bool,
    /// The text of `documents`.
    source: Option<Arc<Source>>,
    pub(super) documents: Documents,
    /// The objects in force: first those that the file contains, then those that are only kept.
    pub(super) objects: Vec<AnyObject>,
    /// How many of `objects` the file contains.
    pub(super) present: usize,
    /// What the file says about other files.
    pub(super) facts: Vec<Fact>,
    /// What was decided about the file when it was decoded.
    pub(super) context: DecodeContext,
    /// Whether `objects` come from a text that could be parsed to its end.
    pub(super) whole: bool,
    /// Refused objects that were never good. `objects` has the parts of them that could be decoded.
    pub(super) partial: Vec<ResourceId>,
    /// Those of `objects` that the file may no longer contain. `None` in nearly all files.
    pub(super) unaccounted: Option<Box<UnaccountedObjects>>,
    /// The documents that aren't objects.
    pub(super) passed_over: Vec<PassedOver>,
    /// The folder of the Helm chart that the file is a template of.
    pub(super) chart: Option<PathBuf>,
    /// Whether the file's text has `{{`, so that the file is a template if it is part of a Helm chart.
    pub(super) may_be_template: bool,
    /// The problems of the file.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl FileState {
    /// Returns the present state of a file. The file is read if it has changed and may be complete. Returns `None` if it
    /// doesn't exist.
    pub(super) fn current(
        path: &Path,
        fingerprint: Fingerprint,
        old: Option<FileState>,
        pass: &mut LoadPass<'_>,
    ) -> Option<FileState> {
        let old = match old {
            Some(old) if old.is_current(&fingerprint) => return Some(old),
            old if pass.is_being_written(path) => return old,
            old => old,
        };
        let reread = old
            .as_ref()
            .is_some_and(|old| old.fingerprint == Some(fingerprint));
        let now = SystemTime::now();
        let text = FileText::read(path);
        let old = match old {
            Some(old) if pass.defers_text(path, fingerprint, &text, &old) => return Some(old),
            old => old,
        };
        let failed = matches!(text, FileText::Failed(_));
        let mut state = match text {
            FileText::Gone => return None,
            FileText::Read(source) => match old {
                Some(old) if old.has_text(&source) => old,
                old => {
                    pass.files_read += 1;
                    let context = pass.context(path).clone();
                    FileState::read_or_template(source, old, Some(fingerprint), context)
                }
            },
            FileText::Refused(why) | FileText::Failed(why) => {
                let known = old.as_ref().map(|old| old.diagnostics.clone());
                let state = FileState::unread(*why, old, Some(fingerprint));
                // Reading may fail in every pass. An equal failure is no change.
                pass.files_read += usize::from(known.as_ref() != Some(&state.diagnostics));
                state
            }
        };
        state.fingerprint = Some(fingerprint);
        state.must_reread = failed || fingerprint.may_be_outdated(now, reread);
        Some(state)
    }

    /// The text. `None` if it can't be read.
    pub(super) fn text(&self) -> Option<&str> {
        self.source.as_ref().map(|source| &*source.text)
    }

    /// Takes the text out of the state.
    pub(super) fn take_source(&mut self) -> Option<Arc<Source>> {
        self.source.take()
    }

    /// Whether the file is read again although its fingerprint is the same.
    pub(super) fn must_reread(&self) -> bool {
        self.must_reread
    }

    /// Sets whether the file is read again although its fingerprint is the same.
    pub(super) fn set_must_reread(&mut self, must_reread: bool) {
        self.must_reread = must_reread;
    }

    /// The objects that the file contains.
    pub(super) fn present_objects(&self) -> &[AnyObject] {
        self.objects.get(..self.present).unwrap_or_default()
    }

    /// The objects that stay in force although the file doesn't contain them, or they can't be decoded.
    pub(super) fn kept_objects(&self) -> &[AnyObject] {
        self.objects.get(self.present..).unwrap_or_default()
    }

    /// Whether this file seems to be the file `former` with a new name.
    pub(super) fn is_renamed(&self, former: &FileState) -> bool {
        let text = |state: &FileState| state.source.as_ref().map(|it| it.text.clone());
        let same_text = text(self).is_some_and(|own| text(former) == Some(own));
        let fingerprints = self.fingerprint.zip(former.fingerprint);
        same_text || fingerprints.is_some_and(|(own, former)| own.is_renamed(&former))
    }

    /// The state that the file would have if it had always had its present name, with the last good objects of `former`.
    pub(super) fn inherit(mut self, former: FileState) -> FileState {
        let own = self.objects.split_off(self.present);
        let mut state = match (self.source.take(), self.diagnostics.first_mut()) {
            (Some(source), _) => {
                let context = self.context.clone();
                FileState::read(source, Some(former), self.fingerprint, context)
            }
            (None, Some(refused)) => {
                refused.notes.clear();
                FileState::unread(refused.clone(), Some(former), self.fingerprint)
            }
            (None, None) => return self,
        };
        state.must_reread = self.must_reread;
        state.keep_others(own);
        state
    }

    /// Whether the file needn't be read if this is its fingerprint.
    pub(super) fn is_current(&self, found: &Fingerprint) -> bool {
        self.fingerprint.as_ref() == Some(found) && !self.must_reread
    }

    /// Requests that the next pass reads the file again, even if it hasn't changed.
    pub(super) fn forget_text(&mut self) {
        (self.fingerprint, self.source) = (None, None);
    }

    pub(super) fn has_text(&self, source: &Source) -> bool {
        self.source
            .as_ref()
            .is_some_and(|known| known.text == source.text)
    }

    /// The state of a file with this text, which may be a template of a Helm chart; `old` is the previous state.
    fn read_or_template(
        source: Arc<Source>,
        old: Option<FileState>,
        fingerprint: Option<Fingerprint>,
        context: DecodeContext,
    ) -> Self {
        let may_be_template = helm_chart::may_be_template(&source.text);
        let chart = may_be_template.then(|| helm_chart::chart_of(&source.path));
        let chart = chart.flatten();
        let mut state = match &chart {
            Some(chart) => {
                let refused = helm_chart::unrendered(&source.path, chart);
                let mut state = FileState::unread(refused, old, fingerprint);
                if state.objects.is_empty() {
                    // One diagnostic for the whole chart is enough.
                    state.diagnostics.clear();
                }
                state
            }
            None => FileState::read(source, old, fingerprint, context),
        };
        (state.chart, state.may_be_template) = (chart, may_be_template);
        state
    }

    /// The state of a file with this text; `old` is the previous state.
    pub(super) fn read(
        source: Arc<Source>,
        old: Option<FileState>,
        fingerprint: Option<Fingerprint>,
        context: DecodeContext,
    ) -> Self {
        let old = old.unwrap_or_default().decoded_again(&context);
        FileState::read_by(decode_documents, source, old, fingerprint)
    }

    /// Reads a text with the context of the previous state.
    fn read_by(
        decode: impl Fn(&Arc<Source>, &FileState) -> Documents,
        source: Arc<Source>,
        mut old: FileState,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        // A panic while decoding one file must not affect the others.
        let decoding = AssertUnwindSafe(|| decode(&source, &old));
        let documents = match std::panic::catch_unwind(decoding) {
            Ok(documents) => documents,
            Err(_) => return FileState::unread(defect(&source), Some(old), fingerprint),
        };
        let mut state = FileState {
            fingerprint,
            source: Some(source),
            context: old.context.clone(),
            whole: !documents.iter().any(|(_, decoded)| decoded.broken),
            ..FileState::default()
        };
        for (_, decoded) in &documents {
            state.objects.extend(decoded.objects.iter().cloned());
            let diagnostics = decoded.diagnostics.iter().cloned();
            state.diagnostics.extend(diagnostics);
        }
        state.present = state.objects.len();
        state.read_facts(&documents, &mut old);
        if state.whole {
            state.keep_refused(&documents, &old);
            state.keep_unaccounted(&documents, &old);
        } else {
            state.keep_all(old, Some(&documents));
        }
        state.pass_over(&documents);
        state.documents = documents;
        state.objects.shrink_to_fit();
        state
    }

    /// Drops the diagnostics of documents that aren't objects. A document that may be one of the objects that the file had
    /// before keeps them.
    fn pass_over(&mut self, documents: &Documents) {
        if !documents.iter().any(|(_, it)| it.passed_over.is_some()) {
            return;
        }
        let keeps = !self.kept_objects().is_empty();
        // The diagnostics of the file are those of its documents in order.
        let mut diagnostics = std::mem::take(&mut self.diagnostics).into_iter();
        for (document, decoded) in documents {
            let own: Vec<Diagnostic> = diagnostics
                .by_ref()
                .take(decoded.diagnostics.len())
                .collect();
            match decoded.passed_over {
                Some(document_type) if !(keeps && self.is_in_question(document, decoded)) => {
                    self.passed_over.push(PassedOver {
                        place: place_of(document, documents),
                        document_type,
                    })
                }
                _ => self.diagnostics.extend(own),
            }
        }
        self.diagnostics.extend(diagnostics);
    }

    /// The state of a file that can't be read. Its previous objects stay in force.
    pub(super) fn unread(
        refused: Diagnostic,
        old: Option<FileState>,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let mut old = old.unwrap_or_default();
        let mut state = FileState {
            fingerprint,
            context: old.context.clone(),
            facts: std::mem::take(&mut old.facts),
            documents: std::mem::take(&mut old.documents),
            diagnostics: vec![refused],
            ..FileState::default()
        };
        state.keep_all(old, None);
        state
    }
}

/// The place of a document as a whole: its file if that has no other document.
fn place_of(document: &Document, documents: &Documents) -> Place {
    match documents.as_slice() {
        [_] => Place::File(document.source.path.clone()),
        _ => Place::Field {
            document: document.clone(),
            pointer: Pointer::root(),
        },
    }
}

fn defect(source: &Source) -> Diagnostic {
    let why = "this is a defect of gatefold";
    unreadable(&source.path, why).help("please report it with this file")
}

/// Decodes the documents of a text. Documents with the same text as before are not parsed again.
fn decode_documents(source: &Arc<Source>, old: &FileState) -> Documents {
    match old.context.role() {
        FileRole::NotObjects => return Documents::new(),
        FileRole::Variables if !is_manifest(&source.path) => return variable_lines(source),
        FileRole::Manifests | FileRole::Variables => {}
    }
    let known: HashMap<&str, &(Document, DecodedDocument)> = old
        .documents
        .iter()
        .filter_map(|entry| Some((entry.0.text()?, entry)))
        .collect();
    let mut budget = AliasBudget::default();
    let decode = |chunk: yaml::DocumentChunk| {
        let document = Document {
            source: source.clone(),
            bytes: chunk.bytes,
            line: chunk.line,
            item: None,
        };
        let known = document.text().and_then(|text| known.get(text));
        let reusable = |(from, decoded): &&&(Document, DecodedDocument)| {
            // What a document is may depend on the name of its file.
            let named = decoded.has_unidentified || decoded.broken || decoded.passed_over.is_some();
            !(decoded.exceeds() || named && from.source.path != source.path)
        };
        let known = known.filter(reusable);
        let decoded = match known {
            Some((from, decoded)) => decoded.moved(from, &document),
            None => document_reader::read(&document, &old.context, &mut budget),
        };
        (document, decoded)
    };
    yaml::split(&source.text).into_iter().map(decode).collect()
}

#[cfg(test)]
mod tests;
