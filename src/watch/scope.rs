//! Which paths to watch, and which of them an event concerns.

use super::links::{Links, absolute};
use gatefold_manifest::is_manifest;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The maximum number of links on the way to a root.
const LINKS: usize = 16;

/// The roots and links at one moment. If they differ, the watches must be set again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WatchScope {
    roots: Vec<WatchRoot>,
    links: Links,
    surroundings: BTreeSet<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct WatchRoot {
    /// The path as the user wrote it. The loader's paths of files begin with it.
    given: PathBuf,
    /// The absolute path. The paths in events begin with it.
    absolute: PathBuf,
    /// The absolute path, and the target of each link on the way to the real path.
    chain: Vec<PathBuf>,
    /// The device and inode. A new folder with the same name isn't watched yet.
    identity: Option<(u64, u64)>,
    is_file: bool,
}

impl WatchScope {
    /// Determines the scope of some roots. `has_links` is false if it is known that they contain no links.
    pub(super) fn of(given: &[PathBuf], has_links: bool) -> Self {
        let roots: Vec<WatchRoot> = given.iter().map(|root| WatchRoot::of(root)).collect();
        let links = if has_links {
            Links::of(given)
        } else {
            Links::default()
        };
        let chains = roots.iter().flat_map(|root| &root.chain);
        let chains = chains.chain(&links.hops);
        WatchScope {
            surroundings: chains
                .filter_map(|path| path.parent())
                .map(Path::to_owned)
                .collect(),
            roots,
            links,
        }
    }

    /// The folders to watch recursively, and single files.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|root| &*root.absolute)
    }

    /// The folders that contain a root or a link on the way to one. No other entry of them matters.
    pub(super) fn surroundings(&self) -> impl Iterator<Item = &Path> {
        self.surroundings.iter().map(PathBuf::as_path)
    }

    /// Whether an event at a path is relevant. The folder around a root may be `/tmp`, with many irrelevant files.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        let mut roots = self.roots.iter();
        let outside = self.links.hops.contains(path) || self.surroundings.contains(path);
        outside
            || roots.any(|root| {
                path.starts_with(&root.absolute)
                    || root.chain.iter().any(|link| link.starts_with(path))
            })
    }

    /// Whether watches depend on a path: a root, a link to a folder, a link on the way to one, or a folder around them.
    /// Removing the path ends these watches, even if the path is created again at once.
    pub(super) fn watches_depend_on(&self, path: &Path) -> bool {
        let on_the_way = |root: &WatchRoot| {
            let mut chain = root.chain.iter();
            // Nearly every write replaces the file, so its folder is watched.
            chain.any(|link| link.starts_with(path) && !(root.is_file && link == path))
        };
        let to_file = |link: &PathBuf| !self.links.folders.contains_key(&absolute(link));
        let is_file = self.links.targets.get(path).is_some_and(to_file);
        self.surroundings.contains(path)
            || self.links.folders.contains_key(path)
            || (self.links.hops.contains(path) && !is_file)
            || self.roots.iter().any(on_the_way)
    }

    /// The loader's path of a manifest. `None` if the path isn't that of a manifest.
    pub(super) fn manifest(&self, path: &Path) -> Option<PathBuf> {
        // A file that is itself a root is read whatever its name is.
        let named = |root: &&WatchRoot| root.is_file && root.chain.iter().any(|it| it == path);
        if let Some(root) = self.roots.iter().find(named) {
            return Some(root.given.clone());
        }
        if let Some(link) = self.links.targets.get(path) {
            return Some(link.clone());
        }
        let inside =
            |root: &WatchRoot| Some(root.given.join(path.strip_prefix(&root.absolute).ok()?));
        let mut roots = self.roots.iter().filter(|_| is_manifest(path));
        roots.find_map(inside)
    }
}

impl WatchRoot {
    fn of(given: &Path) -> Self {
        let absolute = absolute(given);
        let metadata = fs::metadata(given).ok();
        let identity = metadata
            .as_ref()
            .map(|metadata| (metadata.dev(), metadata.ino()));
        let is_file = metadata.is_some_and(|metadata| metadata.is_file());
        WatchRoot {
            given: given.to_owned(),
            chain: chain(&absolute),
            absolute,
            // Nearly every write replaces the file, and its folder is watched.
            identity: identity.filter(|_| !is_file),
            is_file,
        }
    }
}

/// A path, and the target of each link on the way to the real path.
fn chain(path: &Path) -> Vec<PathBuf> {
    let mut chain = vec![path.to_owned()];
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let (Ok(target), Some(parent)) = (fs::read_link(&path), path.parent()) else {
            break;
        };
        path = parent.join(target);
        chain.push(path.clone());
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn concerns_paths_in_a_root_and_on_the_way_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("v1")).expect("a folder");
        symlink("v1", at("current")).expect("a link");
        let scope = WatchScope::of(&[at("current")], true);
        assert!(scope.concerns(&at("current/a.yaml")));
        assert!(scope.concerns(&at("current")), "it may be retargeted");
        assert!(scope.concerns(&at("v1")), "the target may be removed");
        assert!(scope.concerns(folder.path()), "its folder may be removed");
        assert!(!scope.concerns(&at("other.yaml")));
        fs::create_dir(at("v2")).expect("a folder");
        assert_eq!(scope, WatchScope::of(&[at("current")], true));
        fs::remove_file(at("current")).expect("removed");
        symlink("v2", at("current")).expect("a link");
        assert_ne!(
            scope,
            WatchScope::of(&[at("current")], true),
            "another folder"
        );
    }

    #[test]
    fn names_manifests_as_the_loader_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let single = folder.path().join("single.txt");
        fs::write(&single, "").expect("written");
        let scope = WatchScope::of(&["./some".into(), "some/sub".into(), single.clone()], true);
        let here = std::env::current_dir().expect("a working directory");
        let named = scope.manifest(&here.join("some/sub/b.yaml"));
        assert_eq!(
            named,
            Some("./some/sub/b.yaml".into()),
            "the first root counts"
        );
        assert_eq!(scope.manifest(&single), Some(single), "it is a root");
        assert_eq!(scope.manifest(&here.join("some/b.txt")), None);
        assert_eq!(scope.manifest(&here.join("other/b.yaml")), None);
    }

    #[test]
    fn watches_depend_on_folders_and_on_links_to_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().canonicalize().expect("its real path");
        let at = |name: &str| top.join(name);
        for name in ["v1/team", "out/team"] {
            fs::create_dir_all(at(name)).expect("folders");
        }
        symlink("v1", at("root")).expect("a link");
        symlink("team", at("v1/inside")).expect("a link");
        symlink(at("out/team"), at("v1/outside")).expect("a link");
        fs::write(at("out/a.conf"), "").expect("written");
        symlink(at("out/a.conf"), at("v1/a.yaml")).expect("a link");
        let scope = WatchScope::of(&[at("root")], true);
        for name in [
            "root",
            "v1",
            "root/inside",
            "root/outside",
            "out/team",
            "out",
        ] {
            assert!(scope.watches_depend_on(&at(name)), "{name}");
            assert!(scope.concerns(&at(name)), "{name}");
        }
        for name in ["root/a.yaml", "root/team", "out/a.conf", "other"] {
            assert!(!scope.watches_depend_on(&at(name)), "{name}");
        }
        let single = WatchScope::of(&[at("out/a.conf")], true);
        assert!(
            !single.watches_depend_on(&at("out/a.conf")),
            "its folder is watched"
        );
        assert!(single.watches_depend_on(&at("out")));
    }
}
