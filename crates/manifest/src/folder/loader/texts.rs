//! Texts that aren't files, such as the output of a command.
//!
//! In: a name and a text, or why there is none. Out: the content of the folders and all texts. A text keeps its last good
//! objects as a file does.

use super::pass::PassResult;
use super::{Loader, Update};
use crate::folder::file_state::FileState;
use crate::folder::file_text;
use gatefold_diagnostic::Diagnostic;
use std::path::PathBuf;
use std::sync::Arc;

impl Loader {
    /// Sets the text with this name, which is shown as its path. An error means that the text isn't available at present: the
    /// last good objects stay in force, and the diagnostic is reported.
    pub fn set_text(&mut self, name: &str, text: Result<Vec<u8>, Box<Diagnostic>>) -> Update {
        let path = PathBuf::from(name);
        let position = self.texts.iter().position(|(known, _)| *known == path);
        let old = position.map(|index| self.texts.remove(index).1);
        let before = old.as_ref().map(|old| old.objects.clone());
        let known = old.as_ref().map(|old| old.diagnostics.clone());
        let read = text.and_then(|bytes| file_text::decode_text(&path, bytes));
        let (state, changed) = match (read, old) {
            (Ok(source), Some(old)) if old.has_text(&source) => (old, false),
            (Ok(source), old) => {
                let context = self.plan.context(&path).clone();
                let state = FileState::read(Arc::new(source), old, None, context);
                (state, true)
            }
            (Err(refused), old) => {
                let state = FileState::unread(*refused, old, None);
                let changed = known.as_ref() != Some(&state.diagnostics);
                (state, changed)
            }
        };
        let after = state.objects.clone();
        let index = position.unwrap_or(self.texts.len());
        self.texts.insert(index, (path, state));
        self.finish(PassResult {
            replaced: vec![(before.unwrap_or_default(), after)],
            files_read: usize::from(changed),
            changed,
            layout_changed: false,
            decoded_again: false,
        })
    }
}
