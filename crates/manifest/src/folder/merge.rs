//! What is in force: the objects of all files together.
//!
//! In: the files of a loader, and which of them were read anew. Out: the resources, of duplicates the first one, and all
//! findings.

use super::load_pass::{Replaced, Taken};
use super::loader::{Loaded, Loader};
use super::problems;
use crate::Resources;
use gatefold_diagnostic::Diagnostic;

impl Loader {
    /// All that is in force, with the objects of the files that were read anew.
    pub(super) fn gather(&mut self, taken: Taken) -> Loaded {
        let Taken { read, changed, .. } = taken;
        match self.replace(taken.replaced) {
            Some(resources) => {
                let files = self.files.iter();
                let diagnostics = files.flat_map(|(_, file)| file.diagnostics.iter().cloned());
                self.loaded(resources, diagnostics.collect(), read, changed)
            }
            None => self.collect(read, changed),
        }
    }

    /// Puts the objects of all files together; of duplicates the first one counts.
    pub(super) fn collect(&mut self, read: usize, changed: bool) -> Loaded {
        let mut resources = Resources::default();
        let mut diagnostics = Vec::new();
        self.duplicates = false;
        for (_, file) in &self.files {
            diagnostics.extend(file.diagnostics.iter().cloned());
            for object in file.standing() {
                if let Err(first) = object.insert(&mut resources) {
                    diagnostics.push(problems::duplicate(object, first));
                    self.duplicates = true;
                }
            }
        }
        // An object that a file only keeps gives way to the one that another file contains: it may have been moved there.
        for object in self.files.iter().flat_map(|(_, file)| file.kept()) {
            self.duplicates |= object.insert(&mut resources).is_err();
        }
        self.loaded(resources, diagnostics, read, changed)
    }

    /// The resources with the objects of some files replaced; nothing when that concerns other files.
    fn replace(&self, files: Vec<Replaced>) -> Option<Resources> {
        if self.duplicates {
            return None;
        }
        let mut resources = self.resources.clone();
        for object in files.iter().flat_map(|(before, _)| before) {
            object.remove(&mut resources);
        }
        for object in files.iter().flat_map(|(_, after)| after) {
            object.insert(&mut resources).ok()?;
        }
        Some(resources)
    }

    fn loaded(
        &mut self,
        mut resources: Resources,
        mut diagnostics: Vec<Diagnostic>,
        files_read: usize,
        changed: bool,
    ) -> Loaded {
        resources.share(&self.resources);
        self.resources = resources.clone();
        diagnostics.extend(self.seen.iter().flat_map(problems::of_folders));
        let refused = self.files.iter().flat_map(|(_, file)| file.refused());
        Loaded {
            resources,
            diagnostics,
            refused: refused.collect(),
            files: self.files.len(),
            files_read,
            changed,
        }
    }
}
