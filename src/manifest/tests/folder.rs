//! The loader over a folder that changes.

use super::*;
use crate::manifest::scan;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Folder {
    dir: TempDir,
    loader: Loader,
}

impl Folder {
    fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let loader = Loader::new([dir.path().to_owned()]);
        Folder { dir, loader }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder"))
            .expect("the folder is ours");
        fs::write(path, text).expect("the folder is ours");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("the file is there");
    }

    fn names(&mut self) -> Vec<String> {
        names(&self.loader.load())
    }

    /// What is wrong, without the folder's own path.
    fn drawn(&mut self) -> String {
        let path = format!("{}/", self.dir.path().display());
        drawn(&self.loader.load()).replace(&path, "")
    }
}

#[test]
fn files_are_found_by_their_ends_in_all_folders() {
    let mut folder = Folder::new();
    let read = ["a.yaml", "sub/b.yml", "sub/deep/c.json"];
    let skipped = [
        ".d.yaml",
        "e.yaml~",
        "f.yaml.swp",
        "g.tmp",
        "h.txt",
        ".hidden/i.yaml",
        "j.yaml.tmp",
        "yaml",
    ];
    for (name, file) in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]
        .iter()
        .zip(read.iter().chain(&skipped))
    {
        folder.write(file, service(name, 80));
    }
    assert_eq!(
        folder.names(),
        [
            "Service default/a",
            "Service default/b",
            "Service default/c"
        ]
    );
}

#[test]
fn links_are_followed_and_loops_end() {
    let mut folder = Folder::new();
    let outside = TempDir::new().expect("a temporary folder");
    fs::write(outside.path().join("b.yaml"), service("b", 80)).expect("the folder is ours");
    folder.write("a.yaml", service("a", 80));
    symlink(outside.path(), folder.path("more")).expect("a link");
    symlink(folder.dir.path(), outside.path().join("back")).expect("a link");
    symlink("a.yaml", folder.path("again.yaml")).expect("a link");
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/a", "Service default/b"]);
    assert_eq!(
        lines(&loaded),
        Vec::<String>::new(),
        "a file is no duplicate of itself"
    );
    assert_eq!(loaded.files, 2);
}

#[test]
fn the_layout_of_mounted_config_maps_works_and_follows_its_swap() {
    let mut folder = Folder::new();
    folder.write("..2026_01/a.yaml", service("old", 80));
    folder.write("..2026_02/a.yaml", service("new", 80));
    symlink("..2026_01", folder.path("..data")).expect("a link");
    symlink("..data/a.yaml", folder.path("a.yaml")).expect("a link");
    assert_eq!(folder.names(), ["Service default/old"]);
    symlink("..2026_02", folder.path("..data_tmp")).expect("a link");
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).expect("the swap");
    assert_eq!(folder.names(), ["Service default/new"]);
}

#[test]
fn a_link_that_leads_nowhere_is_a_warning() {
    let mut folder = Folder::new();
    symlink("gone.yaml", folder.path("a.yaml")).expect("a link");
    symlink("gone", folder.path("b")).expect("a link");
    assert_eq!(
        folder.drawn(),
        "warning[GF0101]: can't be read: the link leads nowhere\n--> a.yaml"
    );
}

#[test]
fn only_what_has_changed_is_read_again() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.write("b.yaml", service("b", 80));
    let first = folder.loader.load();
    assert_eq!((first.files, first.files_read, first.changed), (2, 2, true));
    let second = folder.loader.load();
    assert_eq!(
        (second.files_read, second.changed),
        (0, false),
        "nothing has changed"
    );
    folder.write("b.yaml", service("c", 80));
    let third = folder.loader.load();
    assert_eq!((third.files_read, third.changed), (1, true));
    assert_eq!(names(&third), ["Service default/a", "Service default/c"]);
    let same = |name: &str| {
        let key = |loaded: &Loaded| {
            let found = loaded
                .resources
                .services
                .values()
                .find(|s| s.meta.name == name);
            found.map(std::sync::Arc::as_ptr)
        };
        key(&first) == key(&third)
    };
    assert!(same("a"), "an object of an unchanged file is the same one");
}

#[test]
fn a_rewrite_with_equal_size_within_one_tick_is_seen() {
    let mut folder = Folder::new();
    for round in 0..200 {
        let port = 1_000 + round;
        folder.write("a.yaml", service("a", port));
        let loaded = folder.loader.load();
        let service = loaded
            .resources
            .services
            .values()
            .next()
            .expect("one service");
        assert_eq!(service.spec.ports[0].port.get(), port);
    }
}

#[test]
fn a_deleted_file_takes_its_objects_with_it() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.write("b.yaml", service("b", 80));
    folder.names();
    folder.remove("a.yaml");
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/b"]);
    assert!(loaded.changed);
}

#[test]
fn a_file_that_cannot_be_parsed_keeps_all_that_was_good_in_it() {
    let mut folder = Folder::new();
    let good = format!("{}---\n{}", service("a", 80), service("b", 80));
    folder.write("a.yaml", &good);
    folder.write("z.yaml", service("z", 80));
    folder.names();
    folder.write("a.yaml", format!("{}---\nb: [\n", service("a", 81)));
    insta::assert_snapshot!(folder.drawn());
    let loaded = folder.loader.load();
    assert_eq!(
        names(&loaded),
        [
            "Service default/a",
            "Service default/b",
            "Service default/z"
        ]
    );
    let a = loaded
        .resources
        .services
        .values()
        .next()
        .expect("a service");
    assert_eq!(
        a.spec.ports[0].port.get(),
        80,
        "the file's last good state is of one piece"
    );
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b", "Service default/z"]);
}

#[test]
fn a_file_that_never_could_be_parsed_gives_what_can_be_read() {
    let mut folder = Folder::new();
    folder.write("a.yaml", format!("{}---\nb: [\n", service("a", 80)));
    assert_eq!(folder.names(), ["Service default/a"]);
    folder.write("a.yaml", format!("a: [\n---\n{}", service("b", 80)));
    assert_eq!(
        folder.names(),
        ["Service default/a", "Service default/b"],
        "nobody knows that a is gone"
    );
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b"]);
}

#[test]
fn a_refused_object_keeps_its_last_good_version_and_hurts_no_other() {
    let mut folder = Folder::new();
    folder.write(
        "a.yaml",
        format!("{}---\n{}", service("a", 80), service("b", 80)),
    );
    folder.names();
    folder.write(
        "a.yaml",
        format!("{}---\n{}", service("a", 0), service("b", 81)),
    );
    insta::assert_snapshot!(folder.drawn());
    let loaded = folder.loader.load();
    let ports: Vec<u16> = loaded
        .resources
        .services
        .values()
        .map(|s| s.spec.ports[0].port.get())
        .collect();
    assert_eq!(ports, [80, 81]);
}

#[test]
fn an_empty_file_holds_nothing_but_only_when_it_stays_empty() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.names();
    folder.write("a.yaml", "");
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/a"], "a writer may begin");
    assert!(folder.loader.look_again().is_some());
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b"], "and ends");
    folder.write("a.yaml", "");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !folder.names().is_empty() {
        assert!(std::time::Instant::now() < deadline, "it stays empty");
    }
    assert_eq!(lines(&folder.loader.load()), Vec::<String>::new());
    assert_eq!(folder.loader.look_again(), None);
}

#[test]
fn a_file_that_is_no_text_any_more_keeps_what_was_good_in_it() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.names();
    folder.write("a.yaml", b"\x00\x01\x02");
    assert_eq!(folder.names(), ["Service default/a"]);
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b"]);
}

#[test]
fn a_file_of_100_mib_is_refused_unread() {
    let mut folder = Folder::new();
    let file = fs::File::create(folder.path("a.yaml")).expect("the folder is ours");
    file.set_len(100 << 20).expect("a sparse file");
    let start = std::time::Instant::now();
    assert_eq!(
        folder.drawn(),
        "error[GF0103]: larger than 32 MiB\n--> a.yaml\n = help: split it into several files"
    );
    assert!(
        start.elapsed().as_secs() < 5,
        "it took {:?}",
        start.elapsed()
    );
}

#[test]
fn a_root_may_be_a_file_and_may_be_missing() {
    let folder = Folder::new();
    folder.write("a.conf", service("a", 80));
    let missing = folder.path("missing");
    let mut loader = Loader::new([folder.path("a.conf"), missing.clone()]);
    let loaded = loader.load();
    assert_eq!(names(&loaded), ["Service default/a"]);
    assert_eq!(lines(&loaded).len(), 1);
    assert!(lines(&loaded)[0].starts_with(&format!(
        "{}: error[GF0101]: can't be read:",
        missing.display()
    )));
}

#[test]
fn a_folder_that_cannot_be_read_keeps_what_was_good_in_it() {
    let mut folder = Folder::new();
    folder.write("sub/a.yaml", service("a", 80));
    folder.names();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the folder is ours");
    };
    let sub = folder.path("sub");
    mode(&sub, 0o000);
    // To the superuser every folder is open; then there is nothing to be seen here.
    let closed = fs::read_dir(&sub).is_err();
    let loaded = folder.loader.load();
    mode(&sub, 0o755);
    assert_eq!(names(&loaded), ["Service default/a"]);
    assert_eq!(errors(&loaded), usize::from(closed));
}

/// As when what is mounted there has died.
#[test]
fn a_folder_that_cannot_be_looked_up_keeps_what_was_good_in_it() {
    let mut folder = Folder::new();
    folder.write("sub/a.yaml", service("a", 80));
    folder.write("b.yaml", service("b", 80));
    folder.names();
    fs::rename(folder.path("sub"), folder.path(".sub")).expect("moved");
    // No file system has such a name, which is another error than that there is none.
    symlink("x".repeat(300), folder.path("sub")).expect("a link");
    symlink("loop", folder.path("loop")).expect("a link");
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/a", "Service default/b"]);
    assert_eq!(errors(&loaded), 1, "{}", drawn(&loaded));
    fs::remove_file(folder.path("sub")).expect("removed");
    assert_eq!(folder.names(), ["Service default/b"]);
}

#[test]
fn a_root_that_vanishes_keeps_what_was_good_in_it() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.names();
    folder.remove("a.yaml");
    fs::remove_dir(folder.dir.path()).expect("it is empty");
    let loaded = folder.loader.load();
    assert_eq!(
        (names(&loaded), errors(&loaded)),
        (vec!["Service default/a".to_owned()], 1)
    );
    fs::create_dir(folder.dir.path()).expect("it was there");
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn duplicates_in_two_files_are_shown_at_both_places() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.write("b.yaml", format!("# copy\n{}", service("a", 81)));
    insta::assert_snapshot!(folder.drawn());
    folder.remove("a.yaml");
    let loaded = folder.loader.load();
    assert_eq!(
        (names(&loaded), errors(&loaded)),
        (vec!["Service default/a".to_owned()], 0)
    );
}

#[test]
fn documents_that_moved_in_their_file_are_found_where_they_are_now() {
    let mut folder = Folder::new();
    let other = "apiVersion: v1\nkind: Servce\nmetadata: {name: x}\n";
    folder.write("a.yaml", format!("{}---\n{other}", service("a", 80)));
    folder.names();
    folder.write(
        "a.yaml",
        format!(
            "{}---\n{}---\n{other}",
            service("new", 80),
            service("a", 80)
        ),
    );
    let path = format!("{}/", folder.dir.path().display());
    let loaded = folder.loader.load();
    assert!(
        lines(&loaded)[0]
            .replace(&path, "")
            .starts_with("a.yaml:18:7: warning[GF0303]"),
        "{:?}",
        lines(&loaded)
    );
    let a = loaded
        .resources
        .services
        .values()
        .find(|s| s.meta.name == "a")
        .expect("it is there");
    let place = a
        .place(crate::diagnostic::Pointer::root())
        .locate()
        .expect("it is in a file");
    assert_eq!((place.line, place.column), (12, 9));
}

#[test]
fn a_scan_tells_whether_anything_changed() {
    let folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    let roots = [folder.dir.path().to_owned()];
    let before = scan(&roots);
    assert_eq!(before, scan(&roots));
    folder.write("a.yaml", service("aa", 80));
    assert_ne!(before, scan(&roots));
}
