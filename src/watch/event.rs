//! Interprets the events of the operating system.
//!
//! In: an event, and what is watched. Out: what it means for manifests and watches. Events about reading are ignored,
//! because the scans and the loader cause them. Events about files that are no manifests are ignored as well, because
//! editors create many temporary files.

use super::scope::WatchScope;
use gatefold_manifest::FileEvent;
use notify::event::{
    AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind, RenameMode,
};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What the operating system reports: an event or an error.
pub(super) type EventResult = notify::Result<notify::Event>;

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Observation {
    /// Files or folders have changed.
    Event(FileEvent),
    /// A path was removed that watches depend on, or events were lost.
    WatchesLost,
}

/// Interprets an event.
pub(super) fn interpret(event: EventResult, scope: &WatchScope) -> Vec<Observation> {
    let Ok(event) = event else {
        return vec![Observation::Event(FileEvent::FoldersChanged)];
    };
    // The lost events may include those of new folders, which are not watched then.
    if event.need_rescan() {
        return vec![Observation::WatchesLost];
    }
    let mut paths = event.paths.iter();
    if !paths.any(|path| scope.concerns(path)) {
        return Vec::new();
    }
    let is_depended_on = |path: &PathBuf| scope.watches_depend_on(path);
    if is_departure(event.kind) && event.paths.iter().any(is_depended_on) {
        return vec![Observation::WatchesLost];
    }
    let events = file_events(&event, scope).into_iter();
    events.map(Observation::Event).collect()
}

/// The changes of files that an event reports.
fn file_events(event: &notify::Event, scope: &WatchScope) -> Vec<FileEvent> {
    let paths = event.paths.iter().filter(|path| scope.concerns(path));
    let of = Interpreter(scope);
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => paths
            .filter_map(|path| of.manifest(path, FileEvent::Completed))
            .collect(),
        EventKind::Access(_) => Vec::new(),
        EventKind::Create(CreateKind::File) => paths.filter_map(|path| of.created(path)).collect(),
        EventKind::Modify(ModifyKind::Data(_)) => paths
            .filter_map(|path| of.manifest(path, FileEvent::Opened))
            .collect(),
        EventKind::Modify(ModifyKind::Metadata(_)) => {
            paths.filter_map(|path| of.changed(path)).collect()
        }
        EventKind::Modify(ModifyKind::Name(mode)) => {
            let tracker = event.tracker();
            match mode {
                RenameMode::From => paths.map(|path| of.moved_away(path, tracker)).collect(),
                RenameMode::To => paths.filter_map(|path| of.moved_here(path)).collect(),
                // Both ends were reported before. New is that they belong to one move.
                RenameMode::Both => of.moved(&event.paths, tracker).into_iter().collect(),
                RenameMode::Any | RenameMode::Other => vec![FileEvent::FoldersChanged],
            }
        }
        EventKind::Remove(RemoveKind::File) => paths.filter_map(|path| of.removed(path)).collect(),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(ModifyKind::Any | ModifyKind::Other)
        | EventKind::Remove(_)
        | EventKind::Other => vec![FileEvent::FoldersChanged],
    }
}

/// Whether something doesn't exist under its former path any more.
fn is_departure(kind: EventKind) -> bool {
    match kind {
        EventKind::Remove(_) => true,
        EventKind::Modify(ModifyKind::Name(mode)) => mode == RenameMode::From,
        _ => false,
    }
}

/// Interprets an event about a path by what exists there now.
struct Interpreter<'s>(&'s WatchScope);

impl Interpreter<'_> {
    fn manifest(&self, path: &Path, event: impl Fn(PathBuf) -> FileEvent) -> Option<FileEvent> {
        self.0.manifest(path).map(event)
    }

    /// A link is complete at once, and so is a second name of a file, because no event reports that they are closed.
    fn created(&self, path: &Path) -> Option<FileEvent> {
        match metadata(path) {
            Some(metadata) if metadata.is_symlink() => Some(FileEvent::FoldersCompleted),
            Some(metadata) if metadata.nlink() > 1 => self.manifest(path, FileEvent::Completed),
            _ => self.manifest(path, FileEvent::Opened),
        }
    }

    fn changed(&self, path: &Path) -> Option<FileEvent> {
        match metadata(path) {
            Some(metadata) if metadata.is_dir() => Some(FileEvent::FoldersChanged),
            _ => self.manifest(path, FileEvent::Changed),
        }
    }

    /// A path whose name isn't that of a manifest may have been a link to a folder.
    fn removed(&self, path: &Path) -> Option<FileEvent> {
        let removed = self.manifest(path, FileEvent::Removed);
        removed.or_else(|| (!is_temporary(path)).then_some(FileEvent::FoldersChanged))
    }

    fn moved_away(&self, path: &Path, tracker: Option<usize>) -> FileEvent {
        let removed = self.manifest(path, FileEvent::Removed);
        removed
            .or(tracker.map(FileEvent::MovedAway))
            .unwrap_or(FileEvent::FoldersChanged)
    }

    fn moved_here(&self, path: &Path) -> Option<FileEvent> {
        match metadata(path) {
            Some(metadata) if metadata.is_file() => self.manifest(path, FileEvent::Completed),
            Some(_) => Some(FileEvent::FoldersCompleted),
            None => self.manifest(path, FileEvent::Removed),
        }
    }

    /// An editor that moves a manifest out of its way gives it a name that isn't read.
    fn moved(&self, paths: &[PathBuf], tracker: Option<usize>) -> Option<FileEvent> {
        let (from, to) = (paths.first()?, paths.last()?);
        let target = metadata(to).filter(|to| !to.is_dir());
        match (self.0.manifest(from), self.0.manifest(to), target) {
            (_, _, None) => Some(FileEvent::FoldersCompleted),
            (Some(from), Some(_), Some(_)) => Some(FileEvent::Renamed(from)),
            (_, _, Some(to)) if !to.is_file() => Some(FileEvent::FoldersCompleted),
            // The removal was reported before.
            (Some(_), None, Some(_)) => None,
            (None, _, Some(_)) => {
                let event = tracker.map(FileEvent::MovedWithin);
                Some(event.unwrap_or(FileEvent::FoldersCompleted))
            }
        }
    }
}

fn metadata(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok()
}

/// Whether a name is that of a temporary file of an editor or a shell. `..data` belongs to Kubernetes.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = name.starts_with('.') && !name.starts_with("..");
    // vim creates a file with the name 4913 to find out whether it may write to the folder.
    hidden || name.ends_with('~') || name == "4913"
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{DataChange, MetadataKind};
    use std::os::unix::fs::symlink;

    fn event(kind: EventKind, path: &Path) -> EventResult {
        Ok(notify::Event::new(kind).add_path(path.to_owned()))
    }

    fn observed(event: FileEvent) -> [Observation; 1] {
        [Observation::Event(event)]
    }

    #[test]
    fn ignores_reading_and_files_that_are_no_manifests() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scope = WatchScope::of(&[folder.path().to_owned()], true);
        let (manifest, other) = (folder.path().join("a.yaml"), folder.path().join("sedAbCd"));
        fs::write(&other, "").expect("the file is written");
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let interpreted = |kind, path: &Path| interpret(event(kind, path), &scope);
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        assert_eq!(interpreted(read, &manifest), []);
        assert_eq!(
            interpreted(
                EventKind::Access(AccessKind::Open(AccessMode::Any)),
                &manifest
            ),
            []
        );
        for kind in [
            EventKind::Create(CreateKind::File),
            write,
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
        ] {
            assert_eq!(interpreted(kind, &other), [], "{kind:?}");
        }
        assert_eq!(
            interpreted(write, &manifest),
            observed(FileEvent::Opened(manifest.clone()))
        );
        let elsewhere = folder.path().with_file_name("elsewhere.yaml");
        assert_eq!(
            interpreted(write, &elsewhere),
            [],
            "a sibling of the folder"
        );
    }

    #[test]
    fn a_link_is_complete_at_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scope = WatchScope::of(&[folder.path().to_owned()], true);
        let link = folder.path().join("..data");
        symlink("..1", &link).expect("the link is created");
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        ] {
            assert_eq!(
                interpret(event(kind, &link), &scope),
                observed(FileEvent::FoldersCompleted)
            );
        }
        fs::remove_file(&link).expect("it is removed");
        let removed = interpret(event(EventKind::Remove(RemoveKind::File), &link), &scope);
        assert_eq!(
            removed,
            observed(FileEvent::FoldersChanged),
            "it may have been a link to a folder"
        );
    }

    #[test]
    fn a_manifest_that_is_renamed_to_another_manifest_is_not_put_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scope = WatchScope::of(&[folder.path().to_owned()], true);
        let at = |name: &str| folder.path().join(name);
        for name in ["a.yaml", "a.yaml~", "b.yaml"] {
            fs::write(at(name), "").expect("the file is written");
        }
        let moved = |from: &str, to: &str| {
            let kind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
            let event = notify::Event::new(kind).set_tracker(7);
            interpret(Ok(event.add_path(at(from)).add_path(at(to))), &scope)
        };
        let renamed = FileEvent::Renamed(at("a.yaml"));
        assert_eq!(moved("a.yaml", "b.yaml"), observed(renamed));
        assert_eq!(moved("a.yaml", "a.yaml~"), [], "it may be put back");
        assert_eq!(
            moved("sedAbCd", "a.yaml"),
            observed(FileEvent::MovedWithin(7))
        );
        fs::remove_file(at("b.yaml")).expect("it is removed");
        symlink("a.yaml", at("b.yaml")).expect("the link is created");
        let renamed = FileEvent::Renamed(at("c.yaml"));
        assert_eq!(
            moved("c.yaml", "b.yaml"),
            observed(renamed),
            "the same for a link"
        );
    }

    #[test]
    fn removing_a_path_that_watches_depend_on_loses_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("real")).expect("a temporary folder");
        let link = folder.path().join("link");
        symlink("real", &link).expect("the link is created");
        let scope = WatchScope::of(&[folder.path().to_owned()], true);
        let removed = |kind, path: &Path| interpret(event(EventKind::Remove(kind), path), &scope);
        assert_eq!(removed(RemoveKind::File, &link), [Observation::WatchesLost]);
        assert_eq!(
            removed(RemoveKind::Folder, folder.path()),
            [Observation::WatchesLost]
        );
        let other = folder.path().join("real");
        assert_eq!(
            removed(RemoveKind::Folder, &other),
            observed(FileEvent::FoldersChanged)
        );
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        assert_eq!(
            interpret(event(moved, folder.path()), &scope),
            [Observation::WatchesLost]
        );
    }

    #[test]
    fn an_error_or_an_overflow_is_a_change_of_anything() {
        let scope = WatchScope::default();
        let lost = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(interpret(Ok(lost), &scope), [Observation::WatchesLost]);
        let error = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
        assert_eq!(
            interpret(Err(error), &scope),
            observed(FileEvent::FoldersChanged)
        );
    }
}
