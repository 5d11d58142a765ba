//! Changes of the folder: the daemon always serves its final state.
//!
//! Tests use the system's events and, where it makes a difference, also `--poll`, the only way for file systems without
//! events, such as bind mounts of virtual machines and network file systems.

mod folders;
mod links;
mod polling;
mod writing;

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HOST: &str = "www.example.com";
const NEW: &str = "new.example.com";

/// The initial folder of most tests: a Gateway, two Services, a route for [`HOST`].
fn shop() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
        ("route.yaml", route("one", HOST)),
    ])
}

fn start(folder: &Folder) -> Daemon {
    let daemon = Daemon::of(folder).echo().start();
    daemon.wait_for_status(HOST, "/", 200);
    daemon
}

/// The route for [`HOST`] with the other backend.
fn other() -> String {
    route("one", HOST).replace("name: one, port", "name: two, port")
}

/// A route for [`NEW`].
fn new() -> String {
    route("new", NEW).replace("name: new, port", "name: two, port")
}

#[track_caller]
fn wait_for_backend(daemon: &Daemon, name: &str) {
    eventually(&format!("{name} answers"), || {
        let answer = daemon.try_get(HOST, "/").ok()?;
        (answer.status == 200 && answer.backend() == name).then_some(())
    });
}

/// Runs a shell script in the folder.
#[track_caller]
fn shell(folder: &Path, script: &str) {
    let status = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder)
        .status();
    assert!(status.expect("a shell").success(), "{script}");
}

/// Writes a file outside of the folder, on the same file system.
fn write_outside(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let outside = folder.path().with_extension("outside");
    fs::create_dir_all(&outside).expect("the outside folder");
    let path = outside.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the outside folder");
    fs::write(&path, text).expect("written");
    path
}

/// Removes the files of [`write_outside`] when it is dropped.
struct OutsideFolder(PathBuf);

impl OutsideFolder {
    fn of(folder: &Folder) -> Self {
        OutsideFolder(folder.path().with_extension("outside"))
    }
}

impl Drop for OutsideFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
