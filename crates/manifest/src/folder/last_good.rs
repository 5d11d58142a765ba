//! What stays in force of a file that is worse than it was.

use super::file_state::FileState;
use crate::decode::outcome::Outcome;
use crate::kind::AnyObject;
use gatefold_diagnostic::{Diagnostic, Document, ResourceId, Severity};
use std::collections::{HashMap, HashSet};

/// Objects that a file had and hasn't any more, although it may be that only nobody can tell.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    objects: HashSet<ResourceId>,
    /// The documents that came when they went, in which they may stand.
    suspects: HashSet<String>,
}

/// Since when a document is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspect {
    New,
    Former,
}

impl FileState {
    /// Keeps the last good version of objects that were refused.
    pub(super) fn keep_refused(&mut self, documents: &[(Document, Outcome)], old: &FileState) {
        let outcomes = || documents.iter().map(|(_, outcome)| outcome);
        if outcomes().all(|it| it.refused.is_empty() && it.partial.is_empty()) {
            return;
        }
        let refused = outcomes().flat_map(|outcome| &outcome.refused);
        let good = old.objects.iter().map(|object| (object.id(), object));
        let mut good: HashMap<ResourceId, &AnyObject> = good.collect();
        good.retain(|id, _| !old.partial.contains(id));
        let mut here = ids(&self.objects);
        let errors = self.errors();
        for id in refused {
            let Some(object) = good.get(id) else {
                continue;
            };
            if !here.insert(id.clone()) {
                continue;
            }
            self.objects.push((*object).clone());
            let found = errors.get(id).copied();
            if let Some(found) = found.and_then(|index| self.diagnostics.get_mut(index)) {
                let note = "its last good version stays in force";
                found.notes.push(note.to_owned());
            }
        }
        self.keep_partial(documents, &here);
    }

    /// The place of the first error of each object in `diagnostics`.
    fn errors(&self) -> HashMap<ResourceId, usize> {
        let mut errors = HashMap::new();
        for (index, found) in self.diagnostics.iter().enumerate() {
            if let (Severity::Error, Some(id)) = (found.severity, &found.resource) {
                errors.entry(id.clone()).or_insert(index);
            }
        }
        errors
    }

    /// Adds what can be read of refused policies, but for those that are `known`: they are good, or have a last good version.
    fn keep_partial(&mut self, documents: &[(Document, Outcome)], known: &HashSet<ResourceId>) {
        let mut partial = documents
            .iter()
            .flat_map(|(_, outcome)| &outcome.partial)
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
                let note = "as far as it can be read, what it protects answers 500";
                found.notes.push(note.to_owned());
            }
        }
    }

    /// Objects that were refused and have no last good version.
    pub(super) fn refused(&self) -> Vec<ResourceId> {
        let outcomes = self.documents.iter().map(|(_, outcome)| outcome);
        let mut refused = outcomes.flat_map(|outcome| &outcome.refused).peekable();
        if refused.peek().is_none() {
            return Vec::new();
        }
        let in_force = ids(&self.objects);
        refused
            .filter(|id| !in_force.contains(*id))
            .cloned()
            .collect()
    }

    /// Keeps objects that are gone since a document came of which nobody knows what it is: a slip in `kind` or in
    /// `metadata.name` is no removal. A document that was always so stands for none of them.
    pub(super) fn keep_orphans(&mut self, documents: &[(Document, Outcome)], old: &FileState) {
        let suspects = suspects(documents, old);
        if suspects.is_empty() || old.objects.is_empty() {
            return;
        }
        let is = |wanted| suspects.iter().any(|(_, suspect)| *suspect == wanted);
        let (new, known) = (is(Suspect::New), is(Suspect::Former));
        let former = old.orphans.as_deref();
        let here = ids(&self.objects);
        let mut orphans = HashSet::new();
        for object in &old.objects {
            let id = object.id();
            let known = known && former.is_some_and(|it| it.objects.contains(&id));
            if !here.contains(&id) && (known || new) {
                self.objects.push(object.clone());
                orphans.insert(id);
            }
        }
        if orphans.is_empty() {
            return;
        }
        let suspects = suspects.iter().map(|(text, _)| (*text).to_owned());
        let suspects = suspects.collect();
        self.note_orphans(documents, &suspects);
        self.orphans = Some(Box::new(Orphans {
            objects: orphans,
            suspects,
        }));
    }

    fn note_orphans(&mut self, documents: &[(Document, Outcome)], suspects: &HashSet<String>) {
        // The diagnostics are those of the documents, one after the other.
        let mut start = 0;
        for (document, outcome) in documents {
            let suspect = text(document).is_some_and(|text| suspects.contains(text));
            if let (true, Some(found)) = (suspect, self.diagnostics.get_mut(start)) {
                let note =
                    "what was last good in this file and isn't there any more stays in force";
                found.notes.push(note.to_owned());
            }
            start += outcome.diagnostics.len();
        }
    }

    /// Keeps everything that was good in a file that can't be read, or, with `documents`, not to its end. If it never could,
    /// what can be read now is added.
    pub(super) fn keep_all(
        &mut self,
        mut old: FileState,
        documents: Option<&[(Document, Outcome)]>,
    ) {
        if !old.whole || old.objects.is_empty() {
            self.keep_readable(&mut old, documents.unwrap_or_default());
        }
        if old.objects.is_empty() {
            return;
        }
        self.partial.append(&mut old.partial);
        let note = "what was last good in this file stays in force";
        let error = |found: &&mut Diagnostic| found.severity == Severity::Error;
        if let Some(found) = self.diagnostics.iter_mut().find(error) {
            found.notes.push(note.to_owned());
        }
        self.orphans = match documents {
            Some(documents) => orphans(documents, &old),
            None => old.orphans,
        };
        if old.whole {
            let (standing, kept) = where_they_stand(old.objects, documents.unwrap_or_default());
            self.standing = standing.len();
            self.objects = standing;
            self.objects.extend(kept);
            self.whole = true;
            return;
        }
        self.keep_others(old.objects);
    }

    /// Adds what can be read of refused policies in a file that never could be read to its end. What was read of them before
    /// gives way to it, and to the policies once they are good.
    fn keep_readable(&mut self, old: &mut FileState, documents: &[(Document, Outcome)]) {
        let mut known = ids(&self.objects);
        let partial = documents.iter().flat_map(|(_, outcome)| &outcome.partial);
        let now: HashSet<&ResourceId> = partial.map(|(id, _)| id).chain(&known).collect();
        let former = std::mem::take(&mut old.partial).into_iter();
        let (gone, left): (Vec<_>, Vec<_>) = former.partition(|id| now.contains(id));
        let gone: HashSet<ResourceId> = gone.into_iter().collect();
        old.objects.retain(|object| !object.stands_for_any(&gone));
        old.partial = left;
        known.extend(ids(&old.objects));
        self.keep_partial(documents, &known);
    }

    /// Keeps objects, but for those that are there.
    pub(super) fn keep_others(&mut self, objects: Vec<AnyObject>) {
        let here = ids(&self.objects);
        let missing = objects.into_iter();
        self.objects
            .extend(missing.filter(|object| !here.contains(&object.id())));
    }
}

/// The objects of a file, those first whose documents still have the same text, at the places where they stand now. The
/// file may or may not contain the others.
fn where_they_stand(
    objects: Vec<AnyObject>,
    documents: &[(Document, Outcome)],
) -> (Vec<AnyObject>, Vec<AnyObject>) {
    let now = documents.iter().flat_map(|(_, outcome)| &outcome.objects);
    let now: HashMap<ResourceId, &AnyObject> = now.map(|it| (it.id(), it)).collect();
    let (mut standing, mut kept) = (Vec::new(), Vec::new());
    for object in objects {
        let same = |now: &&&AnyObject| {
            let (now, then) = (now.document(), object.document());
            text(now) == text(then) && now.item == then.item
        };
        match now.get(&object.id()).filter(same) {
            Some(found) => standing.push((*found).clone()),
            None => kept.push(object),
        }
    }
    (standing, kept)
}

/// The documents that nobody knows what they are, which came with this text or were suspects before.
fn suspects<'d>(documents: &'d [(Document, Outcome)], old: &FileState) -> Vec<(&'d str, Suspect)> {
    let nameless = documents.iter().filter(|(_, outcome)| outcome.nameless);
    let mut texts = nameless
        .filter_map(|(document, _)| text(document))
        .peekable();
    if texts.peek().is_none() {
        return Vec::new();
    }
    let before = old.documents.iter();
    let before: HashSet<&str> = before.filter_map(|(document, _)| text(document)).collect();
    let former = old.orphans.as_deref();
    let suspect = |text: &'d str| match before.contains(text) {
        false => Some((text, Suspect::New)),
        true => former?
            .suspects
            .contains(text)
            .then_some((text, Suspect::Former)),
    };
    texts.filter_map(suspect).collect()
}

/// The objects of a file that stand in none of its documents now, if they may stand in some that nobody can read.
fn orphans(documents: &[(Document, Outcome)], old: &FileState) -> Option<Box<Orphans>> {
    let suspects = suspects(documents, old);
    if suspects.is_empty() {
        return None;
    }
    let outcomes = documents.iter().map(|(_, outcome)| outcome);
    let here: HashSet<ResourceId> = outcomes.flat_map(|outcome| ids(&outcome.objects)).collect();
    let gone = ids(&old.objects)
        .into_iter()
        .filter(|id| !here.contains(id));
    Some(Box::new(Orphans {
        objects: gone.collect(),
        suspects: suspects
            .iter()
            .map(|(text, _)| (*text).to_owned())
            .collect(),
    }))
}

/// A document's text, wherever in the file it stands.
fn text(document: &Document) -> Option<&str> {
    let text = document.text()?;
    Some(text.strip_prefix("---").unwrap_or(text).trim())
}

fn ids(objects: &[AnyObject]) -> HashSet<ResourceId> {
    objects.iter().map(AnyObject::id).collect()
}
