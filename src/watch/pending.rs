//! How long to wait for the end of a change.

use super::signal::Signal;
use gatefold_manifest::{Busy, Touched};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// After complete writes only: time for a second file of the same change.
const AFTER_COMPLETE: Duration = Duration::from_millis(3);
/// After anything else: the change may go on.
const AFTER_OTHER: Duration = Duration::from_millis(50);
/// However many events follow one another, the files are looked at after this time.
const AT_MOST: Duration = Duration::from_millis(500);
/// How long a file that is being written is waited for.
const UNTIL_CLOSED: Duration = Duration::from_secs(2);

/// What has happened since the last look.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Manifests that are complete.
    complete: BTreeSet<PathBuf>,
    complete_at: Option<Flow>,
    /// Manifests that are gone, and since when: most editors put them back, and a moment without a
    /// file is a moment without its routes.
    gone: BTreeMap<PathBuf, Instant>,
    /// Manifests that are being written, and since when.
    open: BTreeMap<PathBuf, Instant>,
    /// Things of which only is known that they aren't where they were, by the number of the move.
    left: BTreeMap<usize, Instant>,
    /// Changes of folders and links, and whatever else there is.
    other: Option<(Flow, Duration)>,
    /// The files of `gone` and `open`, for everybody: no look changes what is known of them.
    busy: Busy,
}

/// Events that follow one another.
#[derive(Clone, Copy, Debug)]
struct Flow {
    first: Instant,
    last: Instant,
}

impl Flow {
    fn and(before: Option<Flow>, now: Instant) -> Flow {
        let first = before.map_or(now, |flow| flow.first);
        Flow { first, last: now }
    }

    fn due(self, quiet: Duration) -> Instant {
        (self.last + quiet).min(self.first + AT_MOST)
    }
}

impl Pending {
    /// Nothing has happened yet. Which files are half-written is said in `busy`.
    pub(super) fn new(busy: Busy) -> Self {
        Pending {
            busy,
            ..Pending::default()
        }
    }

    pub(super) fn note(&mut self, signal: Signal, now: Instant) {
        match signal {
            Signal::Open(path) => {
                self.gone.remove(&path);
                if !self.open.contains_key(&path) {
                    self.busy.add(path.clone());
                    self.open.insert(path, now);
                }
            }
            Signal::Complete(path) => {
                self.open.remove(&path);
                self.completed(path, now);
            }
            Signal::Changed(path) => {
                if !self.open.contains_key(&path) {
                    self.completed(path, now);
                }
            }
            Signal::Gone(path) => {
                self.open.remove(&path);
                self.complete.remove(&path);
                self.busy.add(path.clone());
                self.gone.insert(path, now);
            }
            Signal::Renamed(path) => {
                // The look at its new name is the look at its old one: in between it would be there twice, or not at all.
                self.open.remove(&path);
                self.completed(path, now);
            }
            Signal::Left(number) => {
                self.left.insert(number, now);
            }
            Signal::Arrived(number) => {
                self.left.remove(&number);
            }
            Signal::Done => self.others(AFTER_COMPLETE, now),
            Signal::Other | Signal::Lost => self.others(AFTER_OTHER, now),
        }
    }

    fn completed(&mut self, path: PathBuf, now: Instant) {
        self.gone.remove(&path);
        self.busy.remove(&path);
        self.complete.insert(path);
        self.complete_at = Some(Flow::and(self.complete_at, now));
    }

    fn others(&mut self, quiet: Duration, now: Instant) {
        let before = self.other;
        let flow = Flow::and(before.map(|(flow, _)| flow), now);
        let quiet = before.map_or(quiet, |(_, longest)| longest.max(quiet));
        self.other = Some((flow, quiet));
    }

    /// When to look, if nothing more happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let complete = self.complete_at.map(|flow| flow.due(AFTER_COMPLETE));
        let gone = self.gone.values().map(|since| *since + AFTER_OTHER);
        let left = self.left.values().map(|since| *since + AFTER_COMPLETE);
        let open = self.open.values().map(|since| *since + UNTIL_CLOSED);
        let other = self.other.map(|(flow, quiet)| flow.due(quiet));
        let all = complete.into_iter().chain(other);
        all.chain(gone).chain(left).chain(open).min()
    }

    /// What is to be looked at by now.
    pub(super) fn take(&mut self, now: Instant) -> Touched {
        let before = self.left.len();
        self.left.retain(|_, since| *since + AFTER_COMPLETE > now);
        if self.left.len() < before {
            self.others(AFTER_COMPLETE, now - AFTER_COMPLETE);
        }
        let mut files = BTreeSet::new();
        let overdue = |since: &Instant, pause| *since + pause <= now;
        let gone = self
            .gone
            .extract_if(.., |_, since| overdue(since, AFTER_OTHER));
        let open = self
            .open
            .extract_if(.., |_, since| overdue(since, UNTIL_CLOSED));
        for (path, _) in gone.chain(open) {
            self.busy.remove(&path);
            files.insert(path);
        }
        if self
            .complete_at
            .is_some_and(|flow| flow.due(AFTER_COMPLETE) <= now)
        {
            self.complete_at = None;
            files.append(&mut self.complete);
        }
        if self
            .other
            .is_some_and(|(flow, quiet)| flow.due(quiet) <= now)
        {
            self.other = None;
            return Touched::Anything;
        }
        match files.is_empty() {
            true => Touched::Nothing,
            false => Touched::Files(files),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    const A: &str = "a.yaml";

    fn files(names: &[&str]) -> Touched {
        Touched::Files(names.iter().map(PathBuf::from).collect())
    }

    /// What is taken at the first time that something is, and how long after `from`.
    fn next(pending: &mut Pending, from: Instant) -> (Touched, Duration) {
        let due = pending.due().expect("something is to come");
        assert_eq!(
            pending.take(due - Duration::from_nanos(1)),
            Touched::Nothing
        );
        (pending.take(due), due - from)
    }

    #[test]
    fn a_complete_file_is_looked_at_in_a_moment() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.note(Signal::Open(A.into()), now);
        pending.note(Signal::Complete(A.into()), now);
        assert_eq!(next(&mut pending, now), (files(&[A]), AFTER_COMPLETE));
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn a_half_written_file_is_waited_for_but_neither_for_ever_nor_by_others() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.note(Signal::Open(A.into()), now);
        pending.note(Signal::Complete("b.yaml".into()), now);
        assert_eq!(
            next(&mut pending, now),
            (files(&["b.yaml"]), AFTER_COMPLETE)
        );
        assert!(pending.busy.contains(Path::new(A)), "no look may read it");
        let later = now + UNTIL_CLOSED / 2;
        pending.note(Signal::Open(A.into()), later);
        pending.note(Signal::Changed(A.into()), later);
        assert_eq!(next(&mut pending, now), (files(&[A]), UNTIL_CLOSED));
        assert!(!pending.busy.contains(Path::new(A)), "now it is read");
    }

    #[test]
    fn a_steady_stream_of_events_ends() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        let mut now = start;
        while pending.take(now) == Touched::Nothing {
            pending.note(Signal::Other, now);
            now += Duration::from_millis(1);
        }
        assert!(now - start <= AT_MOST + Duration::from_millis(1));
        let start = now;
        while pending.take(now) == Touched::Nothing {
            pending.note(Signal::Complete(A.into()), now);
            pending.note(Signal::Open("b.yaml".into()), now);
            now += Duration::from_millis(1);
        }
        assert!(now - start <= AT_MOST + Duration::from_millis(1));
    }

    #[test]
    fn a_file_that_is_put_back_was_never_gone() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.note(Signal::Gone(A.into()), now);
        assert_eq!(pending.take(now + AFTER_OTHER / 2), Touched::Nothing);
        pending.note(Signal::Open(A.into()), now + AFTER_OTHER / 2);
        assert_eq!(pending.take(now + AFTER_OTHER), Touched::Nothing);
        pending.note(Signal::Complete(A.into()), now + AFTER_OTHER);
        assert_eq!(next(&mut pending, now).0, files(&[A]));
        pending.note(Signal::Gone(A.into()), now);
        assert_eq!(next(&mut pending, now), (files(&[A]), AFTER_OTHER));
    }

    #[test]
    fn both_names_of_a_manifest_that_is_renamed_are_looked_at_together() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.note(Signal::Gone(A.into()), now);
        pending.note(Signal::Complete("b.yaml".into()), now);
        pending.note(Signal::Renamed(A.into()), now);
        let both = files(&[A, "b.yaml"]);
        assert_eq!(next(&mut pending, now), (both, AFTER_COMPLETE));
        assert!(!pending.busy.contains(Path::new(A)), "it is gone");
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn a_temporary_file_that_becomes_a_manifest_costs_no_wait() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.note(Signal::Left(7), now);
        pending.note(Signal::Complete(A.into()), now);
        pending.note(Signal::Arrived(7), now);
        assert_eq!(next(&mut pending, now), (files(&[A]), AFTER_COMPLETE));
        assert_eq!(pending.due(), None, "nothing else is to be looked at");
        pending.note(Signal::Left(8), now);
        let folder = (Touched::Anything, AFTER_COMPLETE);
        assert_eq!(next(&mut pending, now), folder, "it may have been a folder");
    }
}
