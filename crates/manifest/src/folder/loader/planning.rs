//! Updates the plan when the layout of the files has changed, and decodes files again whose context differs.

use super::Loader;
use super::pass::PassResult;
use crate::folder::file_state::FileState;
use crate::folder::file_text::FileText;
use crate::folder::fingerprint::Fingerprint;
use crate::kustomize::{KustomizePlan, PlannedFile, is_kustomization};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Loader {
    /// Makes the plan before the first load, from the kustomizations and the files of `--substitute` alone. So most files are
    /// decoded once. The load reads these files again and makes the final plan.
    pub(super) fn plan_ahead(&mut self, found: &[(PathBuf, Fingerprint)]) {
        let decides = |path: &Path| {
            let mut given = self.options.substitution_files();
            path.file_name().is_some_and(is_kustomization) || given.any(|it| it == path)
        };
        if !self.files.is_empty() || !found.iter().any(|(path, _)| decides(path)) {
            return;
        }
        let state = |path: &Path| match FileText::read(path) {
            FileText::Read(source) => {
                let context = self.plan.context(path).clone();
                FileState::read(source, None, None, context)
            }
            FileText::Gone | FileText::Refused(_) | FileText::Failed(_) => FileState::default(),
        };
        let states = found.iter().map(|(path, _)| {
            let state = decides(path).then(|| state(path));
            (path, state.unwrap_or_default())
        });
        let states: Vec<(&PathBuf, FileState)> = states.collect();
        let files = states.iter().map(|(path, file)| PlannedFile {
            path,
            facts: &file.facts,
            has_objects: false,
            text: None,
        });
        let files: Vec<PlannedFile<'_>> = files.collect();
        self.plan = Arc::new(KustomizePlan::of(&files, &self.options, &self.roots));
    }

    /// The result of a pass after the plan was updated, if necessary.
    pub(super) fn planned(&mut self, mut result: PassResult) -> PassResult {
        if result.layout_changed && self.depends_on_layout() {
            result.decoded_again = self.plan_again();
        }
        result
    }

    /// Whether the plan depends on the files. Without kustomizations and options it doesn't.
    fn depends_on_layout(&self) -> bool {
        let is_planned =
            *self.plan != KustomizePlan::default() || self.options != Default::default();
        is_planned || self.files.iter().any(|(_, file)| !file.facts.is_empty())
    }

    /// Updates the plan. Returns whether a file was decoded again because of it.
    pub(super) fn plan_again(&mut self) -> bool {
        let files = self.files.iter().map(|(path, file)| PlannedFile {
            path,
            facts: &file.facts,
            has_objects: !file.objects.is_empty(),
            text: file.text(),
        });
        let files: Vec<PlannedFile<'_>> = files.collect();
        let plan = KustomizePlan::of(&files, &self.options, &self.roots);
        let mut decoded_again = false;
        for (path, file) in self.files.iter_mut().chain(&mut self.texts) {
            let context = plan.context(path);
            if file.context != *context {
                *file = std::mem::take(file).under(context);
                decoded_again = true;
            }
        }
        self.plan = Arc::new(plan);
        decoded_again
    }
}
