//! Keeps the last good objects of a file that has become invalid.
//!
//! In: the documents of a file, and its previous state. Out: the objects that stay in force, with notes in the diagnostics.
//! Objects are dropped only if it is certain that the file doesn't contain them any more.

use super::file_state::{Documents, FileState};
use crate::decode::document::DecodedDocument;
use crate::kind::AnyObject;
use crate::refused::RefusedObject;
use crate::unread_route::UnreadRoute;
use gatefold_diagnostic::{Code, Diagnostic, Document, ResourceId, Severity};
use std::collections::{HashMap, HashSet};

/// Objects that a file had before, and that may still be in one of its unidentified documents.
#[derive(Debug, Default)]
pub(super) struct UnaccountedObjects {
    pub(super) objects: HashSet<ResourceId>,
    /// The texts of the unidentified documents that appeared when the objects disappeared.
    candidates: HashSet<String>,
}

/// Since when an unidentified document is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CandidateAge {
    New,
    Known,
}

impl FileState {
    /// Keeps the last good version of objects that were refused.
    pub(super) fn keep_refused(&mut self, documents: &Documents, old: &FileState) {
        let all_decoded = || documents.iter().map(|(_, decoded)| decoded);
        if all_decoded().all(|it| it.refused.is_empty() && it.partial.is_empty()) {
            return;
        }
        let refused = all_decoded().flat_map(|decoded| &decoded.refused);
        let good = old.objects.iter().map(|object| (object.id(), object));
        let mut good: HashMap<ResourceId, &AnyObject> = good.collect();
        good.retain(|id, _| !old.partial.contains(id));
        let mut present = ids(&self.objects);
        let errors = self.errors();
        for RefusedObject { id, .. } in refused {
            let Some(object) = good.get(id) else {
                continue;
            };
            if !present.insert(id.clone()) {
                continue;
            }
            self.objects.push((*object).clone());
            let found = errors.get(id).copied();
            if let Some(found) = found.and_then(|index| self.diagnostics.get_mut(index)) {
                let note = "its last good version stays in force";
                found.notes.push(note.to_owned());
            }
        }
        self.keep_partial(documents, &present);
    }

    /// The index in `diagnostics` of the first problem of each object that refuses it.
    fn errors(&self) -> HashMap<ResourceId, usize> {
        let mut errors = HashMap::new();
        for (index, found) in self.diagnostics.iter().enumerate() {
            let refuses = found.severity == Severity::Error || found.code == Code::EncryptedObject;
            if let Some(id) = found.resource.as_ref().filter(|_| refuses) {
                errors.entry(id.clone()).or_insert(index);
            }
        }
        errors
    }

    /// Adds the readable parts of refused policies. The `known` policies are good or have a last good version, so they are
    /// left out.
    fn keep_partial(&mut self, documents: &Documents, known: &HashSet<ResourceId>) {
        let mut partial = documents
            .iter()
            .flat_map(|(_, decoded)| &decoded.partial)
            .peekable();
        if partial.peek().is_none() {
            return;
        }
        let errors = self.errors();
        for (id, object) in partial {
            if known.contains(id) {
                continue;
            }
            self.objects.push(object.clone());
            self.partial.push(id.clone());
            let found = errors.get(id).copied();
            if let Some(found) = found.and_then(|index| self.diagnostics.get_mut(index)) {
                let note = "the targets that can be read answer 500";
                found.notes.push(note.to_owned());
            }
        }
    }

    /// Objects that were refused and have no last good version.
    pub(super) fn refused(&self) -> Vec<RefusedObject> {
        let all_decoded = self.documents.iter().map(|(_, decoded)| decoded);
        let mut refused = all_decoded.flat_map(|decoded| &decoded.refused).peekable();
        if refused.peek().is_none() {
            return Vec::new();
        }
        let in_force = ids(&self.objects);
        refused
            .filter(|object| !in_force.contains(&object.id))
            .cloned()
            .collect()
    }

    /// Routes and ListenerSets of kinds that aren't read yet.
    pub(super) fn unread_routes(&self) -> impl Iterator<Item = &UnreadRoute> {
        let all_decoded = self.documents.iter().map(|(_, decoded)| decoded);
        all_decoded.flat_map(|decoded| &decoded.unread_routes)
    }

    /// Keeps objects that disappeared when an unidentified document appeared. That document may be one of them with a typing
    /// error in `kind` or `metadata.name`, which is no removal. A document that has always been unidentified keeps none.
    pub(super) fn keep_unaccounted(&mut self, documents: &Documents, old: &FileState) {
        let candidates = candidates(documents, old);
        if candidates.is_empty() || old.objects.is_empty() {
            return;
        }
        let has = |wanted| candidates.iter().any(|(_, age)| *age == wanted);
        let (has_new, has_known) = (has(CandidateAge::New), has(CandidateAge::Known));
        let former = old.unaccounted.as_deref();
        let present = ids(&self.objects);
        let mut unaccounted = HashSet::new();
        for object in &old.objects {
            let id = object.id();
            let known = has_known && former.is_some_and(|it| it.objects.contains(&id));
            if !present.contains(&id) && (known || has_new) {
                self.objects.push(object.clone());
                unaccounted.insert(id);
            }
        }
        if unaccounted.is_empty() {
            return;
        }
        let candidates = owned_texts(&candidates);
        self.note_candidates(documents, &candidates);
        self.unaccounted = Some(Box::new(UnaccountedObjects {
            objects: unaccounted,
            candidates,
        }));
    }

    /// Whether a document is why objects stay in force that the file may no longer have.
    pub(super) fn is_in_question(&self, document: &Document, decoded: &DecodedDocument) -> bool {
        let unaccounted = self.unaccounted.as_deref();
        let candidate = |it: &UnaccountedObjects| {
            text(document).is_some_and(|text| it.candidates.contains(text))
        };
        decoded.broken || unaccounted.is_some_and(candidate)
    }

    fn note_candidates(&mut self, documents: &Documents, candidates: &HashSet<String>) {
        // The diagnostics of the file are those of its documents in order.
        let mut start = 0;
        for (document, decoded) in documents {
            let candidate = text(document).is_some_and(|text| candidates.contains(text));
            if candidate && let Some(found) = self.diagnostics.get_mut(start) {
                let note =
                    "the last good version of objects that this file no longer has stays in force";
                found.notes.push(note.to_owned());
            }
            start += decoded.diagnostics.len();
        }
    }

    /// Keeps all objects of a file that can't be read or, with `documents`, can't be parsed to its end. If it never could be,
    /// the objects that can be decoded now are added.
    pub(super) fn keep_all(&mut self, mut old: FileState, documents: Option<&Documents>) {
        let none = Documents::new();
        if !old.whole || old.objects.is_empty() {
            self.keep_readable(&mut old, documents.unwrap_or(&none));
        }
        if old.objects.is_empty() {
            return;
        }
        self.partial.append(&mut old.partial);
        let note = "the last good content of this file stays in force";
        let error = |found: &&mut Diagnostic| found.severity == Severity::Error;
        if let Some(found) = self.diagnostics.iter_mut().find(error) {
            found.notes.push(note.to_owned());
        }
        self.unaccounted = match documents {
            Some(documents) => unaccounted(documents, &old),
            None => old.unaccounted,
        };
        if old.whole {
            let (present, kept) = split_present(old.objects, documents.unwrap_or(&none));
            self.present = present.len();
            self.objects = present;
            self.objects.extend(kept);
            self.whole = true;
            return;
        }
        self.keep_others(old.objects);
    }

    /// Adds the readable parts of refused policies in a file that could never be parsed to its end. They replace the parts
    /// that were read before. Good policies replace both.
    fn keep_readable(&mut self, old: &mut FileState, documents: &Documents) {
        let mut known = ids(&self.objects);
        let partial = documents.iter().flat_map(|(_, decoded)| &decoded.partial);
        let now: HashSet<&ResourceId> = partial.map(|(id, _)| id).chain(&known).collect();
        let former = std::mem::take(&mut old.partial).into_iter();
        let (replaced, left): (Vec<_>, Vec<_>) = former.partition(|id| now.contains(id));
        let replaced: HashSet<ResourceId> = replaced.into_iter().collect();
        old.objects
            .retain(|object| !object.stands_for_any(&replaced));
        old.partial = left;
        known.extend(ids(&old.objects));
        self.keep_partial(documents, &known);
    }

    /// Keeps those of the objects that this file doesn't have.
    pub(super) fn keep_others(&mut self, objects: Vec<AnyObject>) {
        let present = ids(&self.objects);
        let missing = objects.into_iter();
        self.objects
            .extend(missing.filter(|object| !present.contains(&object.id())));
    }
}

/// Splits the objects of a file into those whose documents still have the same text, at their present positions, and the
/// others, which the file may or may not contain.
fn split_present(
    objects: Vec<AnyObject>,
    documents: &Documents,
) -> (Vec<AnyObject>, Vec<AnyObject>) {
    let now = documents.iter().flat_map(|(_, decoded)| &decoded.objects);
    let now: HashMap<ResourceId, &AnyObject> = now.map(|it| (it.id(), it)).collect();
    let (mut present, mut kept) = (Vec::new(), Vec::new());
    for object in objects {
        let same = |now: &&&AnyObject| {
            let (now, then) = (now.document(), object.document());
            text(now) == text(then) && now.item == then.item
        };
        match now.get(&object.id()).filter(same) {
            Some(found) => present.push((*found).clone()),
            None => kept.push(object),
        }
    }
    (present, kept)
}

/// The unidentified documents that are new, or that were candidates before.
fn candidates<'d>(documents: &'d Documents, old: &FileState) -> Vec<(&'d str, CandidateAge)> {
    let unidentified = documents
        .iter()
        .filter(|(_, decoded)| decoded.has_unidentified);
    let mut texts = unidentified
        .filter_map(|(document, _)| text(document))
        .peekable();
    if texts.peek().is_none() {
        return Vec::new();
    }
    let before = old.documents.iter();
    let before: HashSet<&str> = before.filter_map(|(document, _)| text(document)).collect();
    let former = old.unaccounted.as_deref();
    let candidate = |text: &'d str| {
        if !before.contains(text) {
            return Some((text, CandidateAge::New));
        }
        let known = former?.candidates.contains(text);
        known.then_some((text, CandidateAge::Known))
    };
    texts.filter_map(candidate).collect()
}

/// The objects of a file that none of its documents defines now, if there are candidates.
fn unaccounted(documents: &Documents, old: &FileState) -> Option<Box<UnaccountedObjects>> {
    let candidates = candidates(documents, old);
    if candidates.is_empty() {
        return None;
    }
    let all_decoded = documents.iter().map(|(_, decoded)| decoded);
    let present: HashSet<ResourceId> = all_decoded
        .flat_map(|decoded| ids(&decoded.objects))
        .collect();
    let missing = ids(&old.objects)
        .into_iter()
        .filter(|id| !present.contains(id));
    Some(Box::new(UnaccountedObjects {
        objects: missing.collect(),
        candidates: owned_texts(&candidates),
    }))
}

fn owned_texts(candidates: &[(&str, CandidateAge)]) -> HashSet<String> {
    let texts = candidates.iter().map(|(text, _)| (*text).to_owned());
    texts.collect()
}

/// The text of a document, without its marker and the white space around it, so that it doesn't depend on its position.
fn text(document: &Document) -> Option<&str> {
    let text = document.text()?;
    Some(text.strip_prefix("---").unwrap_or(text).trim())
}

fn ids(objects: &[AnyObject]) -> HashSet<ResourceId> {
    objects.iter().map(AnyObject::id).collect()
}
