//! A folder of manifests that a test edits like people and tools do.

use super::manifests::{gateway, route, service};
use super::repository;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary folder of manifests, which is removed when it is dropped.
pub struct Folder {
    root: TempDir,
}

impl Folder {
    /// Creates an empty folder.
    pub fn new() -> Self {
        Folder {
            root: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Creates a copy of a sample under `config/`.
    pub fn sample(name: &str) -> Self {
        let folder = Folder::new();
        let from = repository("config").join(name).join("manifests");
        for entry in fs::read_dir(&from).expect("the sample's folder") {
            let path = entry.expect("an entry of the sample's folder").path();
            let name = path.file_name().expect("a file name");
            fs::copy(&path, folder.path().join(name)).expect("a copy of the sample's file");
        }
        folder
    }

    /// Creates a folder with these files.
    pub fn with<'a>(files: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let folder = Folder::new();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// Creates a folder with a Gateway, a Service `one`, and a route for a hostname to it.
    pub fn with_route(hostname: &str) -> Self {
        Folder::with([
            ("gateway.yaml", gateway()),
            ("route.yaml", route("one", hostname)),
            ("one.yaml", service("one")),
        ])
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file by renaming it into place, as many editors and tools do.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.prepare(name);
        let hidden = path.with_file_name(format!(".{name}.new", name = name.replace('/', "-")));
        fs::write(&hidden, text).expect("the temporary file written");
        fs::rename(&hidden, &path).expect("the file renamed into place");
    }

    /// Overwrites a file in place, as a shell redirection does.
    pub fn overwrite(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.prepare(name), text).expect("the file overwritten");
    }

    /// Copies a file of the repository into this folder.
    pub fn copy(&self, from: impl AsRef<Path>, name: &str) {
        self.write(
            name,
            fs::read(repository(from)).expect("the repository's file"),
        );
    }

    /// Replaces text in a file, which must contain it.
    #[track_caller]
    pub fn replace(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert!(text.contains(old), "{name} has no {old:?}");
        self.write(name, text.replace(old, new));
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect("the file's text")
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("the file removed");
    }

    fn prepare(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent folder")).expect("the parent folder");
        path
    }
}
