//! What the system's events mean.

use super::scope::Scope;
use notify::event::{
    AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind, RenameMode,
};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What the callback of `notify` passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// A manifest was created or written to, and isn't closed yet.
    Open(PathBuf),
    /// A manifest is complete: closed, or renamed into place.
    Complete(PathBuf),
    /// Something else about a manifest, its permissions: whoever writes it may go on.
    Changed(PathBuf),
    /// A manifest is gone. Many editors put it back at once.
    Gone(PathBuf),
    /// A manifest is gone for good: it has another name now.
    Renamed(PathBuf),
    /// Something was moved away, nobody knows what. The number is that of the move.
    Left(usize),
    /// It was moved within the folders, and a file; so nothing else is to be known.
    Arrived(usize),
    /// Something went that watches hang on, and so did they; or events did, and nobody knows.
    Lost,
    /// Folders or links have changed, and it is done.
    Done,
    /// Folders have changed, or nobody knows what, and it may go on.
    Other,
}

/// What an event means. Our own reading makes events, too: they mean nothing, or the look at the files
/// would wake itself for ever. Nor do files that are no manifests: half of an editor's work is done in them.
pub(super) fn signals(event: notify::Result<notify::Event>, scope: &Scope) -> Vec<Signal> {
    let Ok(event) = event else {
        return vec![Signal::Other];
    };
    // Among the events that got lost may be those of new folders, which nobody watches then.
    if event.need_rescan() {
        return vec![Signal::Lost];
    }
    let paths = || event.paths.iter().filter(|path| scope.concerns(path));
    if paths().next().is_none() {
        return Vec::new();
    }
    if is_departure(event.kind) && event.paths.iter().any(|path| scope.carries(path)) {
        return vec![Signal::Lost];
    }
    let of = Reading(scope);
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => paths()
            .filter_map(|path| of.manifest(path, Signal::Complete))
            .collect(),
        EventKind::Access(_) => Vec::new(),
        EventKind::Create(CreateKind::File) => {
            paths().filter_map(|path| of.created(path)).collect()
        }
        EventKind::Modify(ModifyKind::Data(_)) => paths()
            .filter_map(|path| of.manifest(path, Signal::Open))
            .collect(),
        EventKind::Modify(ModifyKind::Metadata(_)) => {
            paths().filter_map(|path| of.changed(path)).collect()
        }
        EventKind::Modify(ModifyKind::Name(mode)) => {
            let tracker = event.tracker();
            match mode {
                RenameMode::From => paths().map(|path| of.left(path, tracker)).collect(),
                RenameMode::To => paths().filter_map(|path| of.arrived(path)).collect(),
                // Both ends were told by themselves; that they belong together is what is new.
                RenameMode::Both => of.moved(&event.paths, tracker).into_iter().collect(),
                RenameMode::Any | RenameMode::Other => vec![Signal::Other],
            }
        }
        EventKind::Remove(RemoveKind::File) => {
            paths().filter_map(|path| of.removed(path)).collect()
        }
        _ => vec![Signal::Other],
    }
}

/// Whether something isn't any more where it was.
fn is_departure(kind: EventKind) -> bool {
    match kind {
        EventKind::Remove(_) => true,
        EventKind::Modify(ModifyKind::Name(mode)) => mode == RenameMode::From,
        _ => false,
    }
}

/// What happened to a path, by what is there now.
struct Reading<'s>(&'s Scope);

impl Reading<'_> {
    fn manifest(&self, path: &Path, signal: impl Fn(PathBuf) -> Signal) -> Option<Signal> {
        self.0.manifest(path).map(signal)
    }

    /// A link is complete at once, and so is a second name of a file: neither is ever closed.
    fn created(&self, path: &Path) -> Option<Signal> {
        match look(path) {
            Some(metadata) if metadata.is_symlink() => Some(Signal::Done),
            Some(metadata) if metadata.nlink() > 1 => self.manifest(path, Signal::Complete),
            _ => self.manifest(path, Signal::Open),
        }
    }

    fn changed(&self, path: &Path) -> Option<Signal> {
        match look(path) {
            Some(metadata) if metadata.is_dir() => Some(Signal::Other),
            _ => self.manifest(path, Signal::Changed),
        }
    }

    /// What isn't a manifest by its name may have been a link to a folder.
    fn removed(&self, path: &Path) -> Option<Signal> {
        let gone = self.manifest(path, Signal::Gone);
        gone.or_else(|| (!is_scratch(path)).then_some(Signal::Other))
    }

    fn left(&self, path: &Path, tracker: Option<usize>) -> Signal {
        let gone = self.manifest(path, Signal::Gone);
        gone.or(tracker.map(Signal::Left)).unwrap_or(Signal::Other)
    }

    fn arrived(&self, path: &Path) -> Option<Signal> {
        match look(path) {
            Some(metadata) if metadata.is_file() => self.manifest(path, Signal::Complete),
            Some(_) => Some(Signal::Done),
            None => self.manifest(path, Signal::Gone),
        }
    }

    /// An editor that moves a manifest out of its way gives it a name of which none is read.
    fn moved(&self, paths: &[PathBuf], tracker: Option<usize>) -> Option<Signal> {
        let (from, to) = (paths.first()?, paths.last()?);
        let is = look(to).filter(|to| !to.is_dir());
        match (self.0.manifest(from), self.0.manifest(to), is) {
            (_, _, None) => Some(Signal::Done),
            (Some(from), Some(_), Some(_)) => Some(Signal::Renamed(from)),
            (_, _, Some(to)) if !to.is_file() => Some(Signal::Done),
            // That it is gone was told.
            (Some(_), None, Some(_)) => None,
            (None, _, Some(_)) => Some(tracker.map_or(Signal::Done, Signal::Arrived)),
        }
    }
}

fn look(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok()
}

/// Names of files that editors and shells make for a moment. `..data` is Kubernetes'.
fn is_scratch(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = name.starts_with('.') && !name.starts_with("..");
    // vim looks with the name 4913 whether it may write here.
    hidden || name.ends_with('~') || name == "4913"
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{DataChange, MetadataKind};
    use std::os::unix::fs::symlink;

    fn event(kind: EventKind, path: &Path) -> notify::Result<notify::Event> {
        Ok(notify::Event::new(kind).add_path(path.to_owned()))
    }

    #[test]
    fn reading_and_files_that_are_no_manifests_mean_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let scope = Scope::of(&[folder.path().to_owned()], true);
        let (manifest, other) = (folder.path().join("a.yaml"), folder.path().join("sedAbCd"));
        fs::write(&other, "").expect("written");
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let means = |kind, path: &Path| signals(event(kind, path), &scope);
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        assert_eq!(means(read, &manifest), []);
        assert_eq!(
            means(
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
            assert_eq!(means(kind, &other), [], "{kind:?}");
        }
        assert_eq!(means(write, &manifest), [Signal::Open(manifest.clone())]);
        let elsewhere = folder.path().with_file_name("elsewhere.yaml");
        assert_eq!(means(write, &elsewhere), [], "a sibling of the folder");
    }

    #[test]
    fn links_are_complete_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let scope = Scope::of(&[folder.path().to_owned()], true);
        let link = folder.path().join("..data");
        symlink("..1", &link).expect("a link");
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        ] {
            assert_eq!(signals(event(kind, &link), &scope), [Signal::Done]);
        }
        fs::remove_file(&link).expect("removed");
        let removed = signals(event(EventKind::Remove(RemoveKind::File), &link), &scope);
        assert_eq!(removed, [Signal::Other], "it may have led to a folder");
    }

    #[test]
    fn a_manifest_that_gets_another_manifests_name_is_gone_for_good() {
        let folder = tempfile::tempdir().expect("a folder");
        let scope = Scope::of(&[folder.path().to_owned()], true);
        let at = |name: &str| folder.path().join(name);
        for name in ["a.yaml", "a.yaml~", "b.yaml"] {
            fs::write(at(name), "").expect("written");
        }
        let moved = |from: &str, to: &str| {
            let kind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
            let event = notify::Event::new(kind).set_tracker(7);
            signals(Ok(event.add_path(at(from)).add_path(at(to))), &scope)
        };
        let renamed = Signal::Renamed(at("a.yaml"));
        assert_eq!(moved("a.yaml", "b.yaml"), [renamed]);
        assert_eq!(moved("a.yaml", "a.yaml~"), [], "it may be put back");
        assert_eq!(moved("sedAbCd", "a.yaml"), [Signal::Arrived(7)]);
        fs::remove_file(at("b.yaml")).expect("removed");
        symlink("a.yaml", at("b.yaml")).expect("a link");
        let renamed = Signal::Renamed(at("c.yaml"));
        assert_eq!(moved("c.yaml", "b.yaml"), [renamed], "a link, too");
    }

    #[test]
    fn what_watches_hang_on_takes_them_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("real")).expect("a folder");
        let link = folder.path().join("link");
        symlink("real", &link).expect("a link");
        let scope = Scope::of(&[folder.path().to_owned()], true);
        let removed = |kind, path: &Path| signals(event(EventKind::Remove(kind), path), &scope);
        assert_eq!(removed(RemoveKind::File, &link), [Signal::Lost]);
        assert_eq!(removed(RemoveKind::Folder, folder.path()), [Signal::Lost]);
        let other = folder.path().join("real");
        assert_eq!(removed(RemoveKind::Folder, &other), [Signal::Other]);
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        assert_eq!(signals(event(moved, folder.path()), &scope), [Signal::Lost]);
    }

    #[test]
    fn what_nobody_understands_is_a_reason_to_look() {
        let scope = Scope::default();
        let lost = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(signals(Ok(lost), &scope), [Signal::Lost]);
        let error = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
        assert_eq!(signals(Err(error), &scope), [Signal::Other]);
    }
}
