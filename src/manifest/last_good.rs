//! What stays in force of a file that is worse than it was.

use super::file::FileState;
use super::kind::AnyObject;
use super::object::Outcome;
use crate::diagnostic::{Diagnostic, Document, ResourceId, Severity};
use std::collections::{HashMap, HashSet};

impl FileState {
    /// Keeps the last good version of objects that were refused.
    pub(super) fn keep_refused(&mut self, documents: &[(Document, Outcome)], old: &[AnyObject]) {
        let refused = documents.iter().flat_map(|(_, outcome)| &outcome.refused);
        let mut refused = refused.peekable();
        if refused.peek().is_none() || old.is_empty() {
            return;
        }
        let old: HashMap<ResourceId, &AnyObject> = old.iter().map(|it| (it.id(), it)).collect();
        let mut here = ids(&self.objects);
        let mut errors = HashMap::new();
        for (index, found) in self.diagnostics.iter().enumerate() {
            if let (Severity::Error, Some(id)) = (found.severity, &found.resource) {
                errors.entry(id.clone()).or_insert(index);
            }
        }
        for id in refused {
            let Some(object) = old.get(id) else {
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
    }

    /// Keeps everything that was good in a file that can't be read to its end. If it never could, what can
    /// be read now is added.
    pub(super) fn keep_all(&mut self, old: FileState) {
        if old.objects.is_empty() {
            return;
        }
        let note = "what was last good in this file stays in force";
        let error = |found: &&mut Diagnostic| found.severity == Severity::Error;
        if let Some(found) = self.diagnostics.iter_mut().find(error) {
            found.notes.push(note.to_owned());
        }
        if old.whole {
            self.objects = old.objects;
            self.whole = true;
            return;
        }
        let here = ids(&self.objects);
        let missing = old.objects.into_iter();
        self.objects
            .extend(missing.filter(|object| !here.contains(&object.id())));
    }
}

fn ids(objects: &[AnyObject]) -> HashSet<ResourceId> {
    objects.iter().map(AnyObject::id).collect()
}
