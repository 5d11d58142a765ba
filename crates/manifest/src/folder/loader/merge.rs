//! Merges the objects of all files.
//!
//! In: the known files, and which of them have changed. Out: the objects in force, and the diagnostics of all files. If an
//! object is defined twice, the first definition in the order of files is in force.

use super::pass::{PassResult, ReplacedObjects};
use super::{Loaded, Loader};
use crate::Resources;
use crate::decode::not_a_manifest::PassedOver;
use crate::folder::file_state::FileState;
use crate::folder::{helm_chart, problems};
use gatefold_diagnostic::Diagnostic;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Loader {
    /// Merges the changes of a pass into the objects in force.
    pub(super) fn merge(&mut self, result: PassResult) -> Loaded {
        let PassResult {
            replaced,
            files_read,
            changed,
            decoded_again,
            ..
        } = result;
        let replaced = (!decoded_again).then(|| self.replace(replaced));
        let Some(resources) = replaced.flatten() else {
            return self.merge_all(files_read, changed);
        };
        let diagnostics = self.states().flat_map(|file| &file.diagnostics);
        let diagnostics = diagnostics.cloned().collect();
        self.loaded(resources, diagnostics, files_read, changed)
    }

    /// Merges the objects of all files.
    pub(super) fn merge_all(&mut self, files_read: usize, changed: bool) -> Loaded {
        let mut resources = Resources::default();
        let mut diagnostics = Vec::new();
        let mut has_duplicates = false;
        for file in self.states() {
            diagnostics.extend(file.diagnostics.iter().cloned());
            for object in file.present_objects() {
                if let Err(first) = object.insert(&mut resources) {
                    diagnostics.push(problems::duplicate(object, first));
                    // An earlier copy has the same key, so the result doesn't matter: copies are added as well.
                    if let Some(protection) = object.protection() {
                        let _ = protection.insert(&mut resources);
                    }
                    has_duplicates = true;
                }
            }
        }
        // An object that a file contains takes precedence over one that another file only keeps, because the object may
        // have been moved.
        for object in self.states().flat_map(FileState::kept_objects) {
            has_duplicates |= object.insert(&mut resources).is_err();
        }
        self.has_duplicates = has_duplicates;
        self.loaded(resources, diagnostics, files_read, changed)
    }

    /// The states of all files and texts.
    fn states(&self) -> impl Iterator<Item = &FileState> {
        self.files.iter().chain(&self.texts).map(|(_, state)| state)
    }

    /// Replaces the objects of some files. Returns `None` if that affects the objects of other files.
    fn replace(&self, files: Vec<ReplacedObjects>) -> Option<Resources> {
        if self.has_duplicates {
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
        let refused = self.files.iter().flat_map(|(_, file)| file.refused());
        let mut refused_objects = BTreeMap::new();
        for object in refused {
            refused_objects.entry(object.id.clone()).or_insert(object);
        }
        resources.refused_objects = Arc::new(refused_objects);
        let unread_routes = self.files.iter().flat_map(|(_, file)| file.unread_routes());
        resources.unread_routes = unread_routes.cloned().collect();
        resources.share(&self.resources);
        self.resources = resources.clone();
        diagnostics.extend(self.last_scan.iter().flat_map(problems::of_scan));
        diagnostics.extend(self.plan.diagnostics.iter().cloned());
        diagnostics.extend(helm_chart::of_charts(
            self.states().filter_map(|it| it.chart.as_ref()),
        ));
        let passed_over: Vec<PassedOver> = self
            .states()
            .flat_map(|it| &it.passed_over)
            .cloned()
            .collect();
        diagnostics.extend(problems::passed_over(&passed_over));
        Loaded {
            resources,
            diagnostics,
            passed_over,
            files: self.files.len() + self.texts.len(),
            files_read,
            changed,
        }
    }
}
