//! Plans the files anew when their layout has changed, and decodes files again about which something else was decided.

use super::Loader;
use super::pass::PassResult;
use crate::kustomize::{Plan, PlannedFile};
use std::sync::Arc;

impl Loader {
    /// The result of a pass after the plan was made anew, if necessary.
    pub(super) fn planned(&mut self, mut result: PassResult) -> PassResult {
        if result.layout_changed && self.depends_on_layout() {
            result.decoded_again = self.plan_again();
        }
        result
    }

    /// Whether the plan depends on the files. Without kustomizations and options it doesn't.
    fn depends_on_layout(&self) -> bool {
        let is_planned = *self.plan != Plan::default() || self.options != Default::default();
        is_planned || self.files.iter().any(|(_, file)| !file.facts.is_empty())
    }

    /// Makes the plan anew. Returns whether a file was decoded again because of it.
    pub(super) fn plan_again(&mut self) -> bool {
        let files = self.files.iter().map(|(path, file)| PlannedFile {
            path,
            facts: &file.facts,
            text: file.text(),
        });
        let files: Vec<PlannedFile<'_>> = files.collect();
        let plan = Plan::of(&files, &self.options, &self.roots);
        let mut decoded_again = false;
        for (path, file) in &mut self.files {
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
