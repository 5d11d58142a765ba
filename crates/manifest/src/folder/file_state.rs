//! What is known of one file, from one look to the next.

use super::last_good::Orphans;
use super::load_pass::Reading;
use super::scan::{self, Fingerprint, Text};
use crate::decode::document;
use crate::decode::outcome::Outcome;
use crate::kind::AnyObject;
use gatefold_diagnostic::yaml::Budget;
use gatefold_diagnostic::yaml::{Chunk, split};
use gatefold_diagnostic::{Diagnostic, Document, ResourceId, Source};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// File systems count time in ticks of up to 10 ms (HZ=100). A second write within the tick of the first
/// may leave the fingerprint as it was, so a file that was touched just now is read again next time.
const TICK: Duration = Duration::from_millis(50);
/// Others count it in seconds, or in two of them: ext4 with small inodes, FAT, and what serves their files.
const COARSE_TICK: Duration = Duration::from_millis(2_050);

/// What is known of a file.
#[derive(Debug, Default)]
pub(super) struct FileState {
    pub(super) fingerprint: Option<Fingerprint>,
    /// It was touched so shortly before it was read that the fingerprint doesn't prove anything, or couldn't be read for
    /// a reason that the fingerprint doesn't show.
    unsettled: bool,
    /// The text that `documents` come from.
    source: Option<Arc<Source>>,
    pub(super) documents: Documents,
    /// The objects in force: first those that stand in the file, then those that are only kept.
    pub(super) objects: Vec<AnyObject>,
    /// How many of `objects` stand in the file.
    pub(super) standing: usize,
    /// Whether `objects` come from a text that could be read to its end.
    pub(super) whole: bool,
    /// Refused objects of which `objects` has what can be read, because they were never good.
    pub(super) partial: Vec<ResourceId>,
    /// Those of `objects` that the file may have no more; there are hardly ever any.
    pub(super) orphans: Option<Box<Orphans>>,
    /// What is wrong with it.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl FileState {
    /// The state of one file, read again if it has to be and nobody is writing it; nothing if it is gone meanwhile.
    pub(super) fn current(
        path: &Path,
        fingerprint: Fingerprint,
        old: Option<FileState>,
        reading: &mut Reading<'_>,
    ) -> Option<FileState> {
        let old = match old {
            Some(old) if old.is_current(&fingerprint) => return Some(old),
            old if reading.is_busy(path) => return old,
            old => old,
        };
        let again = old
            .as_ref()
            .is_some_and(|old| old.fingerprint == Some(fingerprint));
        let now = SystemTime::now();
        let text = scan::text(path);
        let old = match old {
            Some(old) if reading.is_half_written(path, fingerprint, &text, &old) => {
                return Some(old);
            }
            old => old,
        };
        let failed = matches!(text, Text::Failed(_));
        let mut state = match text {
            Text::Gone => return None,
            Text::Read(source) => match old {
                Some(old) if old.has_text(&source) => old,
                old => {
                    reading.read += 1;
                    FileState::read(source, old, Some(fingerprint))
                }
            },
            Text::Refused(why) | Text::Failed(why) => {
                let known = old.as_ref().map(|old| old.diagnostics.clone());
                let state = FileState::unread(*why, old, Some(fingerprint));
                // It may be tried at every look: what is known already is nothing new.
                reading.read += usize::from(known.as_ref() != Some(&state.diagnostics));
                state
            }
        };
        state.fingerprint = Some(fingerprint);
        state.unsettled = failed || is_too_new(fingerprint, now, again);
        Some(state)
    }

    /// The objects that stand in the file.
    pub(super) fn standing(&self) -> &[AnyObject] {
        self.objects.get(..self.standing).unwrap_or_default()
    }

    /// The objects that stay in force although they don't stand in the file, or can't be read there.
    pub(super) fn kept(&self) -> &[AnyObject] {
        self.objects.get(self.standing..).unwrap_or_default()
    }

    /// Whether the file of this state seems to be the one of another state under a new name.
    pub(super) fn is_renamed(&self, from: &FileState) -> bool {
        let text = |state: &FileState| state.source.as_ref().map(|it| it.text.clone());
        let same_text = text(self).is_some_and(|own| text(from) == Some(own));
        let found = self.fingerprint.zip(from.fingerprint);
        same_text || found.is_some_and(|(own, former)| own.is_renamed(&former))
    }

    /// The state of the same file if it had been known by another name before, with what was last good in it then.
    pub(super) fn inherit(mut self, former: FileState) -> FileState {
        let own = self.objects.split_off(self.standing);
        let mut state = match (self.source.take(), self.diagnostics.first_mut()) {
            (Some(source), _) => FileState::read(source, Some(former), self.fingerprint),
            (None, Some(refused)) => {
                refused.notes.clear();
                FileState::unread(refused.clone(), Some(former), self.fingerprint)
            }
            (None, None) => return self,
        };
        state.unsettled = self.unsettled;
        state.keep_others(own);
        state
    }

    /// Whether it needn't be read again.
    pub(super) fn is_current(&self, found: &Fingerprint) -> bool {
        self.fingerprint.as_ref() == Some(found) && !self.unsettled
    }

    fn has_text(&self, source: &Source) -> bool {
        self.source
            .as_ref()
            .is_some_and(|known| known.text == source.text)
    }

    /// Reads a text; `old` is what was known before.
    pub(super) fn read(
        source: Arc<Source>,
        old: Option<FileState>,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        FileState::read_by(documents, source, old.unwrap_or_default(), fingerprint)
    }

    fn read_by(
        documents: impl Fn(&Arc<Source>, &[(Document, Outcome)]) -> Documents,
        source: Arc<Source>,
        old: FileState,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        // One file that is the death of its reader must not be that of all other files' as well.
        let reading = AssertUnwindSafe(|| documents(&source, &old.documents));
        let documents = match std::panic::catch_unwind(reading) {
            Ok(documents) => documents,
            Err(_) => return FileState::unread(defect(&source), Some(old), fingerprint),
        };
        let mut state = FileState {
            fingerprint,
            source: Some(source),
            whole: !documents.iter().any(|(_, outcome)| outcome.broken),
            ..FileState::default()
        };
        for (_, outcome) in &documents {
            state.objects.extend(outcome.objects.iter().cloned());
            let diagnostics = outcome.diagnostics.iter().cloned();
            state.diagnostics.extend(diagnostics);
        }
        state.standing = state.objects.len();
        if state.whole {
            state.keep_refused(&documents, &old);
            state.keep_orphans(&documents, &old);
        } else {
            state.keep_all(old, Some(&documents));
        }
        state.documents = documents;
        state
    }

    /// For a file that can't be read: what was in it stays.
    pub(super) fn unread(
        refused: Diagnostic,
        old: Option<FileState>,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let mut old = old.unwrap_or_default();
        let mut state = FileState {
            fingerprint,
            documents: std::mem::take(&mut old.documents),
            diagnostics: vec![refused],
            ..FileState::default()
        };
        state.keep_all(old, None);
        state
    }
}

/// Whether a file that was read at a time may have been written to since. One whose own time has yet to come, by the
/// clock of a server or the will of its writer, is read `again` once and not for ever.
fn is_too_new(fingerprint: Fingerprint, read: SystemTime, again: bool) -> bool {
    let touched = fingerprint.touched();
    let tick = match fingerprint.is_coarse() {
        true => COARSE_TICK,
        false => TICK,
    };
    let settled = |now: SystemTime| now.checked_sub(tick).map(scan::nanoseconds);
    match touched > scan::nanoseconds(read) {
        true => !again,
        false => settled(read).is_none_or(|settled| touched > settled),
    }
}

fn defect(source: &Source) -> Diagnostic {
    let why = "this is a defect of gatefold";
    scan::unreadable(&source.path, why).help("please report it with this file")
}

type Documents = Vec<(Document, Outcome)>;

/// Reads a text's documents; those that stood in the file before aren't parsed again.
fn documents(source: &Arc<Source>, old: &[(Document, Outcome)]) -> Documents {
    let known: HashMap<&str, &(Document, Outcome)> = old
        .iter()
        .filter_map(|entry| Some((entry.0.text()?, entry)))
        .collect();
    let mut budget = Budget::default();
    let read = |chunk: Chunk| {
        let document = Document {
            source: source.clone(),
            bytes: chunk.bytes,
            line: chunk.line,
            item: None,
        };
        let known = document.text().and_then(|text| known.get(text));
        let known = known.filter(|(_, outcome)| !outcome.exceeds());
        let outcome = match known {
            Some((from, outcome)) => outcome.moved(from, &document),
            None => document::read(&document, &mut budget),
        };
        (document, outcome)
    };
    split(&source.text).into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::busy::Busy;
    use crate::folder::doubt::Doubts;
    use crate::folder::load_pass::Writers;
    use std::fs;

    const SERVICE: &str =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";

    /// Reads a file; says what is known of it then, and how many files were read.
    fn read(
        path: &Path,
        fingerprint: Fingerprint,
        old: Option<FileState>,
    ) -> (Option<FileState>, usize) {
        let (busy, mut doubts) = (Busy::default(), Doubts::default());
        let mut reading = Reading::new(&busy, &mut doubts, Writers::Done);
        let state = FileState::current(path, fingerprint, old, &mut reading);
        (state, reading.end())
    }

    #[test]
    fn a_file_whose_reading_fails_is_read_again_although_it_has_not_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yaml");
        // Reading a folder fails, and its fingerprint is as good as any.
        fs::create_dir(&path).expect("a folder");
        let fingerprint = scan::fingerprint(&path).expect("it is there");
        let (failed, count) = self::read(&path, fingerprint, None);
        let failed = failed.expect("it is there");
        assert_eq!((failed.diagnostics.len(), count), (1, 1));
        assert!(!failed.is_current(&fingerprint), "it is tried again");
        let (failed, count) = self::read(&path, fingerprint, Some(failed));
        assert_eq!(count, 0, "an equal failure is nothing new");
        fs::remove_dir(&path).expect("removed");
        fs::write(&path, SERVICE).expect("written");
        let now = scan::fingerprint(&path).expect("it is there");
        let failed = FileState {
            fingerprint: Some(now),
            ..failed.expect("it was there")
        };
        let (state, _) = self::read(&path, now, Some(failed));
        let state = state.expect("it is there");
        assert_eq!((state.objects.len(), state.diagnostics.len()), (1, 0));
    }

    #[test]
    fn a_file_that_its_reader_dies_of_keeps_what_was_good_in_it() {
        let source = |text: &str| {
            Arc::new(Source {
                path: "a.yaml".into(),
                text: text.into(),
            })
        };
        let good = FileState::read(source(SERVICE), None, None);
        let dying = |_: &Arc<Source>, _: &[_]| -> Documents { panic!("a defect") };
        let state = FileState::read_by(dying, source("a: b"), good, None);
        assert_eq!(state.objects.len(), 1);
        let found = state.diagnostics.first().expect("what has happened");
        assert!(found.message.contains("defect"), "{}", found.message);
    }

    #[test]
    fn a_file_with_times_in_whole_seconds_may_be_written_again_within_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yaml");
        fs::write(&path, SERVICE).expect("written");
        let fingerprint = scan::fingerprint(&path).expect("it is there");
        let at = |seconds: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        let fine = fingerprint.changed_at(1_000, 500_000_000);
        assert!(is_too_new(fine, at(1_000.51), false));
        assert!(!is_too_new(fine, at(1_000.6), false));
        let coarse = fingerprint.changed_at(1_000, 0);
        assert!(is_too_new(coarse, at(1_001.9), false));
        assert!(!is_too_new(coarse, at(1_002.1), false));
    }

    #[test]
    fn a_file_whose_time_has_yet_to_come_is_read_again_only_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yaml");
        fs::write(&path, SERVICE).expect("written");
        let file = fs::File::options().write(true).open(&path);
        let later = SystemTime::now() + Duration::from_secs(3_600);
        file.and_then(|file| file.set_modified(later)).expect("set");
        let fingerprint = scan::fingerprint(&path).expect("it is there");
        let (first, _) = self::read(&path, fingerprint, None);
        let first = first.expect("it is there");
        assert!(!first.is_current(&fingerprint), "nobody knows its clock");
        let (second, _) = self::read(&path, fingerprint, Some(first));
        assert!(second.expect("it is there").is_current(&fingerprint));
    }
}
