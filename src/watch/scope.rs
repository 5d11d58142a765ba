//! What is to be watched, and what of it an event is about.

use super::links::{Links, absolute};
use gatefold_manifest::is_manifest;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How many links a watched path may go through.
const LINKS: usize = 16;

/// The roots as they are at one moment. Another one means that watches must be set anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    roots: Vec<Root>,
    links: Links,
    surroundings: BTreeSet<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct Root {
    /// The path as the user wrote it, with which those of all files in it begin.
    given: PathBuf,
    /// The path with which those in events begin.
    absolute: PathBuf,
    /// It, and what each link leads to on the way to what it really is.
    chain: Vec<PathBuf>,
    /// Device and inode: another folder of the same name has none of our watches.
    identity: Option<(u64, u64)>,
    is_file: bool,
}

impl Scope {
    /// The scope of some roots. That there are no links in them may be known already, which spares a walk.
    pub(super) fn of(given: &[PathBuf], links: bool) -> Self {
        let roots: Vec<Root> = given.iter().map(|root| Root::of(root)).collect();
        let links = match links {
            true => Links::of(given),
            false => Links::default(),
        };
        let chains = roots.iter().flat_map(|root| &root.chain);
        let chains = chains.chain(&links.hops);
        Scope {
            surroundings: chains
                .filter_map(|path| path.parent())
                .map(Path::to_owned)
                .collect(),
            roots,
            links,
        }
    }

    /// The folders to watch with all that is in them; also single files.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|root| &*root.absolute)
    }

    /// The folders in which a root or a link on the way to it stands: of them only that matters.
    pub(super) fn surroundings(&self) -> impl Iterator<Item = &Path> {
        self.surroundings.iter().map(PathBuf::as_path)
    }

    /// Whether an event at a path can mean anything: the folder around a root may be `/tmp`.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        let mut roots = self.roots.iter();
        let outside = self.links.hops.contains(path) || self.surroundings.contains(path);
        outside
            || roots.any(|root| {
                path.starts_with(&root.absolute)
                    || root.chain.iter().any(|link| link.starts_with(path))
            })
    }

    /// Whether watches hang on a path: on a root, on a link to a folder or on the way to one, or on a folder around them.
    /// When it goes they go, even if there is the like of it again at once.
    pub(super) fn carries(&self, path: &Path) -> bool {
        let on_the_way = |root: &Root| {
            let mut chain = root.chain.iter();
            // A file is replaced at nearly every write, and the folder it is in is what is watched.
            chain.any(|link| link.starts_with(path) && !(root.is_file && link == path))
        };
        let to_file = |link: &PathBuf| !self.links.folders.contains_key(&absolute(link));
        let is_file = self.links.targets.get(path).is_some_and(to_file);
        self.surroundings.contains(path)
            || self.links.folders.contains_key(path)
            || (self.links.hops.contains(path) && !is_file)
            || self.roots.iter().any(on_the_way)
    }

    /// What the loader calls a manifest; nothing for another file.
    pub(super) fn manifest(&self, path: &Path) -> Option<PathBuf> {
        // A file that is named outright is read whatever its name.
        let named = |root: &&Root| root.is_file && root.chain.iter().any(|it| it == path);
        if let Some(root) = self.roots.iter().find(named) {
            return Some(root.given.clone());
        }
        if let Some(link) = self.links.targets.get(path) {
            return Some(link.clone());
        }
        let inside = |root: &Root| Some(root.given.join(path.strip_prefix(&root.absolute).ok()?));
        let mut roots = self.roots.iter().filter(|_| is_manifest(path));
        roots.find_map(inside)
    }
}

impl Root {
    fn of(given: &Path) -> Self {
        let absolute = absolute(given);
        let metadata = fs::metadata(given).ok();
        let identity = metadata
            .as_ref()
            .map(|metadata| (metadata.dev(), metadata.ino()));
        let is_file = metadata.is_some_and(|metadata| metadata.is_file());
        Root {
            given: given.to_owned(),
            chain: chain(&absolute),
            absolute,
            // A file is replaced at nearly every write, and the folder it is in tells.
            identity: identity.filter(|_| !is_file),
            is_file,
        }
    }
}

/// A path, and what each link leads to on the way to what it really is.
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
    fn only_what_is_in_a_root_or_on_the_way_to_it_matters() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("v1")).expect("a folder");
        symlink("v1", at("current")).expect("a link");
        let scope = Scope::of(&[at("current")], true);
        assert!(scope.concerns(&at("current/a.yaml")));
        assert!(scope.concerns(&at("current")), "it may be retargeted");
        assert!(scope.concerns(&at("v1")), "what it leads to may go");
        assert!(scope.concerns(folder.path()), "the folder around it may go");
        assert!(!scope.concerns(&at("other.yaml")));
        fs::create_dir(at("v2")).expect("a folder");
        assert_eq!(scope, Scope::of(&[at("current")], true));
        fs::remove_file(at("current")).expect("removed");
        symlink("v2", at("current")).expect("a link");
        assert_ne!(scope, Scope::of(&[at("current")], true), "another folder");
    }

    #[test]
    fn manifests_are_called_as_the_loader_calls_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let single = folder.path().join("single.txt");
        fs::write(&single, "").expect("written");
        let scope = Scope::of(&["./some".into(), "some/sub".into(), single.clone()], true);
        let here = std::env::current_dir().expect("a working directory");
        let named = scope.manifest(&here.join("some/sub/b.yaml"));
        assert_eq!(
            named,
            Some("./some/sub/b.yaml".into()),
            "as the first root says"
        );
        assert_eq!(scope.manifest(&single), Some(single), "named outright");
        assert_eq!(scope.manifest(&here.join("some/b.txt")), None);
        assert_eq!(scope.manifest(&here.join("other/b.yaml")), None);
    }

    #[test]
    fn watches_hang_on_folders_and_on_links_to_folders() {
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
        let scope = Scope::of(&[at("root")], true);
        for name in [
            "root",
            "v1",
            "root/inside",
            "root/outside",
            "out/team",
            "out",
        ] {
            assert!(scope.carries(&at(name)), "{name}");
            assert!(scope.concerns(&at(name)), "{name}");
        }
        for name in ["root/a.yaml", "root/team", "out/a.conf", "other"] {
            assert!(!scope.carries(&at(name)), "{name}");
        }
        let single = Scope::of(&[at("out/a.conf")], true);
        assert!(!single.carries(&at("out/a.conf")), "its folder is watched");
        assert!(single.carries(&at("out")));
    }
}
