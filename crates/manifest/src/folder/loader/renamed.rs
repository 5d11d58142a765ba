//! Hands the last good objects of a removed file over to the file with its new name.

use super::pass::ReplacedObjects;
use crate::folder::file_state::FileState;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The removal of a file may be found this long before the file is found under its new name.
const UNTIL_RENAMED: Duration = Duration::from_secs(2);

/// Removed files whose last good objects were in force, and when each was removed. If such a file was renamed, the file
/// with the new name keeps these objects.
#[derive(Debug, Default)]
pub(super) struct RemovedFiles(Vec<(FileState, Instant)>);

impl RemovedFiles {
    /// Adds removed files, and hands over the objects of files that were renamed. Returns the objects of the files that
    /// received some, before and after.
    pub(super) fn hand_over(
        &mut self,
        removed: Vec<FileState>,
        files: &mut [(PathBuf, FileState)],
    ) -> Vec<ReplacedObjects> {
        let now = Instant::now();
        let keeping = removed
            .into_iter()
            .filter(|it| !it.kept_objects().is_empty());
        self.0.extend(keeping.map(|it| (it, now)));
        let waiting = std::mem::take(&mut self.0).into_iter();
        let mut replaced = Vec::new();
        for (former, since) in waiting.filter(|(_, since)| now < *since + UNTIL_RENAMED) {
            let states = files.iter_mut().map(|(_, state)| state);
            let heirs = states.filter(|state| state.is_renamed(&former));
            // If several files have the same text, each of them receives the objects of one removed file.
            let Some(heir) = heirs.min_by_key(|state| !state.kept_objects().is_empty()) else {
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
