//! Paths as keys: absolute, and without `.` and `..`.

use std::path::{Component, Path, PathBuf};

/// The key of a path. Links are not followed.
pub(crate) fn key(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    join(Path::new(""), &absolute)
}

/// The key of a path that is relative to a folder, which is a key.
pub(super) fn join(folder: &Path, path: &Path) -> PathBuf {
    let mut joined = folder.to_owned();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(joined.pop()),
            Component::Normal(name) => joined.push(name),
            Component::RootDir | Component::Prefix(_) => joined.push(part),
        }
    }
    joined
}

/// The root of the repository that contains a folder: the nearest ancestor with `.git`, which is a file in a worktree.
/// Without one, the folder itself.
pub(super) fn repository(folder: &Path) -> PathBuf {
    let found = folder.ancestors().find(|it| it.join(".git").exists());
    found.unwrap_or(folder).to_owned()
}

/// Whether kustomize would fetch a path from elsewhere.
pub(super) fn is_remote(path: &str) -> bool {
    path.contains("://") || path.contains("?ref=") || path.starts_with("git@") || {
        let host = path.split('/').next().unwrap_or_default();
        ["github.com", "gitlab.com", "bitbucket.org"].contains(&host) || path.starts_with("git::")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_dots() {
        assert_eq!(key(Path::new("/a/./b/../c")), Path::new("/a/c"));
        let joined = join(Path::new("/a/b"), Path::new("../../c/d.yaml"));
        assert_eq!(joined, Path::new("/c/d.yaml"));
        assert_eq!(join(Path::new("/a"), Path::new("/b")), Path::new("/b"));
    }

    #[test]
    fn the_repository_is_found_by_its_git_folder_or_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let deep = folder.path().join("a/b");
        std::fs::create_dir_all(&deep).expect("folders");
        std::fs::write(folder.path().join("a/.git"), "gitdir: x").expect("a file");
        assert_eq!(repository(&deep), folder.path().join("a"));
    }

    #[test]
    fn remote_paths_are_recognised() {
        for path in [
            "https://github.com/a/b//c?ref=v1",
            "github.com/a/b",
            "git@github.com:a/b",
            "git::https://x/y",
        ] {
            assert!(is_remote(path), "{path}");
        }
        assert!(!is_remote("../github/base"));
    }
}
