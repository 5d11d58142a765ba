//! Finds the links in the folders, and their targets outside of the folders, which are watched as well.

use gatefold_manifest::is_hidden;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The maximum number of links on the way to a file.
const LINKS: usize = 16;
/// The maximum depth of nested folders.
const FOLDERS: usize = 64;

/// The links in some folders, and their targets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    /// The real paths, outside of the folders, of each link on the way to a target and of the target itself.
    pub hops: BTreeSet<PathBuf>,
    /// The real path of each target outside of the folders, with the path that the loader uses for it.
    pub targets: BTreeMap<PathBuf, PathBuf>,
    /// The links to folders, inside or outside, with the device and inode of the folder. A new folder with the same name
    /// isn't watched yet.
    pub folders: BTreeMap<PathBuf, (u64, u64)>,
}

impl Links {
    /// Finds all links in the folders.
    pub(super) fn of(roots: &[PathBuf]) -> Self {
        let mut walk = LinkWalk {
            inside: roots
                .iter()
                .filter_map(|root| root.canonicalize().ok())
                .collect(),
            real: HashMap::new(),
            visited: HashSet::new(),
            links: Links::default(),
        };
        for root in roots {
            walk.folder(root, 0, 0);
        }
        walk.links
    }
}

struct LinkWalk {
    /// The real paths of the roots. Everything below them is watched.
    inside: Vec<PathBuf>,
    /// A cache of the real paths of folders, because thousands of links point into few folders.
    real: HashMap<PathBuf, Option<PathBuf>>,
    /// The device and inode of each folder that was visited, so that loops of links end.
    visited: HashSet<(u64, u64)>,
    links: Links,
}

impl LinkWalk {
    fn folder(&mut self, path: &Path, links: usize, depth: usize) {
        let visited =
            |metadata: fs::Metadata| !self.visited.insert((metadata.dev(), metadata.ino()));
        if links > LINKS || depth > FOLDERS || fs::metadata(path).map_or(true, visited) {
            return;
        }
        let Ok(entries) = fs::read_dir(path) else {
            return;
        };
        for entry in entries
            .flatten()
            .filter(|entry| !is_hidden(&entry.file_name()))
        {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folder(&entry.path(), links, depth + 1),
                Ok(kind) if kind.is_symlink() => self.link(&entry.path(), links, depth),
                _ => {}
            }
        }
    }

    fn link(&mut self, path: &Path, links: usize, depth: usize) {
        let mut at = path.to_owned();
        for _ in 0..LINKS {
            let Some(next) = self.step(&at) else {
                break;
            };
            at = next;
            if !self.is_inside(&at) {
                self.links.hops.insert(at.clone());
            }
        }
        let folder = fs::metadata(path).ok().filter(fs::Metadata::is_dir);
        if let Some(folder) = &folder {
            let identity = (folder.dev(), folder.ino());
            self.links.folders.insert(absolute(path), identity);
        }
        if self.is_inside(&at) {
            return;
        }
        // If several links point to one file, the loader uses the first one.
        let known = self.links.targets.entry(at);
        let first = known.or_insert_with(|| path.to_owned());
        if *first > *path {
            path.clone_into(first);
        }
        if folder.is_some() {
            self.folder(path, links + 1, depth + 1);
        }
    }

    /// The target of a link, as the real path of its folder and its name. `None` if the path isn't a link.
    fn step(&mut self, link: &Path) -> Option<PathBuf> {
        let next = link.parent()?.join(fs::read_link(link).ok()?);
        let (Some(parent), Some(name)) = (next.parent(), next.file_name()) else {
            return next.canonicalize().ok();
        };
        let real = match self.real.get(parent) {
            Some(known) => known.as_ref(),
            None => {
                let real = parent.canonicalize().ok();
                self.real.entry(parent.to_owned()).or_insert(real).as_ref()
            }
        };
        Some(real?.join(name))
    }

    fn is_inside(&self, path: &Path) -> bool {
        self.inside.iter().any(|root| path.starts_with(root))
    }
}

/// A path as it appears in events.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn finds_each_step_of_links_to_targets_outside() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().canonicalize().expect("its real path");
        let at = |name: &str| top.join(name);
        for name in ["root/..v1", "out/team"] {
            fs::create_dir_all(at(name)).expect("folders");
        }
        fs::write(at("root/..v1/a.yaml"), "").expect("written");
        fs::write(at("out/b.conf"), "").expect("written");
        symlink("..v1", at("root/..data")).expect("a link");
        symlink("..data/a.yaml", at("root/a.yaml")).expect("a link");
        let roots = [at("root")];
        assert_eq!(Links::of(&roots), Links::default(), "all are inside");

        symlink("b.conf", at("out/current")).expect("a link");
        symlink(at("out/current"), at("root/b.yaml")).expect("a link");
        symlink("../out/team", at("root/team")).expect("a link");
        symlink("../../root", at("out/team/back")).expect("a link");
        symlink("/nowhere/c.yaml", at("root/c.yaml")).expect("a link");
        let outside = Links::of(&roots);
        let targets = [
            (at("out/b.conf"), at("root/b.yaml")),
            (at("out/team"), at("root/team")),
        ];
        assert_eq!(
            outside.targets.into_iter().collect::<Vec<_>>()[..2],
            targets
        );
        for hop in ["out/current", "out/b.conf", "out/team"] {
            assert!(outside.hops.contains(&at(hop)), "{hop}");
        }
    }

    #[test]
    fn distinguishes_a_new_folder_with_the_name_of_a_target() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["root/inside", "out"] {
            fs::create_dir_all(at(name)).expect("folders");
        }
        symlink(at("out"), at("root/a")).expect("a link");
        symlink("inside", at("root/b")).expect("a link");
        let roots = [at("root")];
        let mut before = Links::of(&roots);
        assert_eq!(before.folders.len(), 2);
        for name in ["out", "root/inside"] {
            fs::rename(at(name), at("away")).expect("moved");
            fs::create_dir(at(name)).expect("another folder");
            let after = Links::of(&roots);
            assert_ne!(before, after, "{name}");
            fs::remove_dir(at("away")).expect("removed");
            before = after;
        }
    }
}
