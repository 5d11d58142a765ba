//! Finds the manifest files of folders.

use super::fingerprint::Fingerprint;
use crate::kustomize::is_kustomization;
use hashbrown::HashSet;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The maximum number of links to folders on the way to a file.
const LINKS: usize = 16;
/// The maximum depth of nested folders.
const FOLDERS: usize = 64;

/// The manifest files of some folders at one moment. If two scans are equal, nothing has changed between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderScan {
    /// Every manifest file, by its path as the user would write it, in the order of paths.
    pub(crate) files: Vec<(PathBuf, Fingerprint)>,
    /// The files and folders that couldn't be examined, with the reasons. Whether files below them still exist is unknown.
    pub(crate) unreadable: BTreeMap<PathBuf, String>,
    /// Links whose targets don't exist.
    pub(crate) dangling: Vec<PathBuf>,
    /// Whether a file or folder was found by two paths, of which only the first one counts.
    pub(crate) aliases: bool,
    /// Whether there are links, wherever they point to.
    pub links: bool,
}

impl FolderScan {
    /// Whether it is unknown what became of a file, because a folder of its path couldn't be examined.
    pub(super) fn is_unknown(&self, path: &Path) -> bool {
        let mut folders = path.ancestors();
        folders.any(|folder| self.unreadable.contains_key(folder))
    }

    /// Whether both scans found the same apart from the files.
    pub(super) fn is_equal_apart_from_files(&self, other: &FolderScan) -> bool {
        self.unreadable == other.unreadable
            && self.dangling == other.dangling
            && (self.links, self.aliases) == (other.links, other.aliases)
    }
}

/// Finds the manifest files below `roots`, which are folders or single files. Opens only folders, so it is cheap.
pub fn scan(roots: &[PathBuf]) -> FolderScan {
    let mut walk = ScanWalk::default();
    for root in roots {
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => walk.folder(root, &metadata, 0, 0),
            // A file that is itself a root is read whatever its name is.
            Ok(metadata) => walk.file(root.clone(), &metadata),
            Err(error) => walk.unreadable(root, &error),
        }
    }
    // The files of one root are in order already.
    if roots.len() > 1 {
        walk.scan.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        walk.scan.files.dedup_by(|(a, _), (b, _)| a == b);
    }
    walk.scan
}

/// Whether nothing exists at a path.
pub(super) fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Whether a scan of `roots` finds a file with this name if it exists: between a root and the file there are only visible
/// folders, and none of them is a link.
pub(super) fn is_reached_without_links(path: &Path, roots: &[PathBuf]) -> bool {
    let Some(root) = roots.iter().find(|root| path.starts_with(root)) else {
        return false;
    };
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let is_visible = |path: &Path| path.file_name().is_some_and(|name| !is_hidden(name));
    let folders = path.ancestors().skip(1);
    let below: Vec<&Path> = folders.take_while(|folder| folder != root).collect();
    // A file that is itself a root is read whatever its name is, and reported as unreadable when it is gone.
    path != root
        && is_manifest(path)
        && below.len() < FOLDERS
        && fs::metadata(root).is_ok_and(|root| root.is_dir())
        && below
            .iter()
            .all(|folder| is_visible(folder) && is_folder(folder))
}

/// Whether a name is that of a file that editors or Kubernetes keep for themselves. Such files and folders are skipped.
pub fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let unfinished = [".swp", ".tmp", "~"].iter().any(|end| name.ends_with(end));
    name.starts_with('.') || unfinished
}

/// Whether a file with this name in a folder is read: a manifest, or a kustomization, which may have no extension.
pub fn is_manifest(path: &Path) -> bool {
    let Some(name) = path.file_name() else {
        return false;
    };
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_read = matches!(extension, Some("yaml" | "yml" | "json"));
    (is_read && !is_hidden(name)) || is_kustomization(name)
}

#[derive(Default)]
struct ScanWalk {
    scan: FolderScan,
    /// The device and inode of each folder and file that was visited. Each is visited once, whatever paths lead to it.
    /// So a loop of links ends, and no object is a duplicate of itself.
    visited: HashSet<(u64, u64)>,
}

impl ScanWalk {
    fn folder(&mut self, path: &Path, metadata: &Metadata, links: usize, depth: usize) {
        if self.is_visited(metadata) {
            return;
        }
        if links > LINKS || depth > FOLDERS {
            let why = "too many nested folders or links to folders".to_owned();
            self.scan.unreadable.insert(path.to_owned(), why);
            return;
        }
        let entries = match visible_entries(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && depth > 0 => return,
            Err(error) => return self.unreadable(path, &error),
        };
        for (name, entry) in entries {
            self.entry(path.join(name), &entry, links, depth);
        }
    }

    fn entry(&mut self, path: PathBuf, entry: &DirEntry, links: usize, depth: usize) {
        let manifest = is_manifest(&path);
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(&path, &error),
        };
        self.scan.links |= kind.is_symlink();
        if !(manifest || kind.is_dir() || kind.is_symlink()) {
            return;
        }
        match metadata(&path, entry) {
            Ok(metadata) if metadata.is_dir() => {
                let links = links + usize::from(kind.is_symlink());
                self.folder(&path, &metadata, links, depth + 1);
            }
            Ok(metadata) if metadata.is_file() && manifest => self.file(path, &metadata),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if manifest && kind.is_symlink() {
                    self.scan.dangling.push(path);
                }
            }
            // The path may also be that of a folder, whose files would be unknown then.
            Err(error) if manifest || !is_loop(&error) => self.unreadable(&path, &error),
            Err(_) => {}
        }
    }

    fn file(&mut self, path: PathBuf, metadata: &Metadata) {
        if !self.is_visited(metadata) {
            self.scan.files.push((path, Fingerprint::of(metadata)));
        }
    }

    fn is_visited(&mut self, metadata: &Metadata) -> bool {
        let visited = !self.visited.insert((metadata.dev(), metadata.ino()));
        self.scan.aliases |= visited;
        visited
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        self.scan
            .unreadable
            .insert(path.to_owned(), error.to_string());
    }
}

/// The entries of a folder in order, without those that have hidden names.
fn visible_entries(folder: &Path) -> std::io::Result<Vec<(OsString, DirEntry)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_hidden(&name) {
            entries.push((name, entry));
        }
    }
    entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries)
}

/// The metadata of an entry, or of the target of a link. An entry is looked up in its open folder, which is cheaper than
/// by its whole path.
fn metadata(path: &Path, entry: &DirEntry) -> std::io::Result<Metadata> {
    match entry.metadata() {
        Ok(metadata) if metadata.is_symlink() => fs::metadata(path),
        found => found,
    }
}

/// Whether the error is a loop of links, which means that nothing exists at the path.
fn is_loop(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
