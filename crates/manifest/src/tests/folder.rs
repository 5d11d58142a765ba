//! Tests of loading a folder whose files change.

use super::*;
use crate::scan;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

#[test]
fn finds_files_by_their_extensions_in_all_folders() {
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
fn follows_links_and_ends_loops() {
    let mut folder = Folder::new();
    let outside = TempDir::new().expect("a temporary folder");
    fs::write(outside.path().join("b.yaml"), service("b", 80)).expect("the folder is writable");
    folder.write("a.yaml", service("a", 80));
    symlink(outside.path(), folder.path("more")).expect("the link is created");
    symlink(folder.dir.path(), outside.path().join("back")).expect("the link is created");
    symlink("a.yaml", folder.path("again.yaml")).expect("the link is created");
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
fn loads_mounted_config_maps_and_their_swap() {
    let mut folder = Folder::new();
    folder.write("..2026_01/a.yaml", service("old", 80));
    folder.write("..2026_02/a.yaml", service("new", 80));
    symlink("..2026_01", folder.path("..data")).expect("the link is created");
    symlink("..data/a.yaml", folder.path("a.yaml")).expect("the link is created");
    assert_eq!(folder.names(), ["Service default/old"]);
    symlink("..2026_02", folder.path("..data_tmp")).expect("the link is created");
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).expect("the swap");
    assert_eq!(folder.names(), ["Service default/new"]);
}

#[test]
fn a_dangling_link_is_a_warning() {
    let mut folder = Folder::new();
    symlink("gone.yaml", folder.path("a.yaml")).expect("the link is created");
    symlink("gone", folder.path("b")).expect("the link is created");
    assert_eq!(
        folder.rendered(),
        "warning[GF0101]: can't be read: the target of the link doesn't exist\n--> a.yaml"
    );
}

#[test]
fn reads_only_files_that_have_changed() {
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
                .find(|s| *s.meta.name == *name);
            found.map(std::sync::Arc::as_ptr)
        };
        key(&first) == key(&third)
    };
    assert!(same("a"), "the object of an unchanged file is reused");
}

#[test]
fn notices_a_rewrite_with_equal_size_within_one_tick() {
    let mut folder = Folder::new();
    for round in 0..200 {
        let port = 1_000 + round;
        folder.write("a.yaml", service("a", port));
        let loaded = folder.loader.load();
        let service = first_service(&loaded);
        assert_eq!(service.spec.ports[0].port.get(), port);
    }
}

#[test]
fn drops_the_objects_of_a_removed_file() {
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
fn refuses_a_file_of_100_mib_without_reading_it() {
    let mut folder = Folder::new();
    let file = fs::File::create(folder.path("a.yaml")).expect("the folder is writable");
    file.set_len(100 << 20).expect("a sparse file");
    let start = std::time::Instant::now();
    assert_eq!(
        folder.rendered(),
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
fn shows_both_places_of_a_duplicate_in_two_files() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.write("b.yaml", format!("# copy\n{}", service("a", 81)));
    insta::assert_snapshot!(folder.rendered());
    folder.remove("a.yaml");
    let loaded = folder.loader.load();
    assert_eq!(
        (names(&loaded), errors(&loaded)),
        (vec!["Service default/a".to_owned()], 0)
    );
}

#[test]
fn locates_documents_that_have_moved_in_their_file() {
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
        .find(|s| &*s.meta.name == "a")
        .expect("it exists");
    let place = a
        .place(gatefold_diagnostic::Pointer::root())
        .locate()
        .expect("it is in a file");
    assert_eq!((place.line, place.column), (12, 9));
}

#[test]
fn scans_differ_if_a_file_has_changed() {
    let folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    let roots = [folder.dir.path().to_owned()];
    let before = scan(&roots);
    assert_eq!(before, scan(&roots));
    folder.write("a.yaml", service("aa", 80));
    assert_ne!(before, scan(&roots));
}
