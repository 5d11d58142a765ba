//! Files that are gone, and what they kept.

use super::file_state::FileState;
use super::load_pass::Replaced;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A file may be seen to be gone before it is seen under its new name.
const UNTIL_RENAMED: Duration = Duration::from_secs(2);

/// Files that are gone although what was last good in them was in force. A broken file that is renamed keeps it.
#[derive(Debug, Default)]
pub(super) struct Departed(Vec<(FileState, Instant)>);

impl Departed {
    /// Hands over what files kept that are `gone` by now, to files that have their text. Returns the objects of those files,
    /// before and after.
    pub(super) fn hand_over(
        &mut self,
        gone: Vec<FileState>,
        files: &mut [(PathBuf, FileState)],
    ) -> Vec<Replaced> {
        let now = Instant::now();
        let gone = gone.into_iter().filter(|it| !it.kept().is_empty());
        self.0.extend(gone.map(|it| (it, now)));
        let waiting = std::mem::take(&mut self.0).into_iter();
        let mut replaced = Vec::new();
        for (former, since) in waiting.filter(|(_, since)| now < *since + UNTIL_RENAMED) {
            let states = files.iter_mut().map(|(_, state)| state);
            let heirs = states.filter(|state| state.is_renamed(&former));
            // If several files have the same text, each inherits from one departed file.
            let Some(heir) = heirs.min_by_key(|state| !state.kept().is_empty()) else {
                self.0.push((former, since));
                continue;
            };
            let before = heir.objects.clone();
            *heir = std::mem::take(heir).inherit(former);
            replaced.push((before, heir.objects.clone()));
        }
        replaced
    }
}
