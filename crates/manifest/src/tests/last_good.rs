//! What was last good stays in force, and what is gone goes.

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

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

/// The ports of the Services in force.
fn ports(loaded: &Loaded) -> Vec<u16> {
    let services = loaded.resources.services.values();
    services.map(|it| it.spec.ports[0].port.get()).collect()
}

#[test]
fn a_slip_in_what_an_object_is_or_how_it_is_called_removes_nothing() {
    let good = format!("{}---\n{}", service("a", 80), service("b", 80));
    for (right, wrong) in [
        ("kind: Service", "kind: Servce"),
        ("kind: Service", "knd: Service"),
        ("apiVersion: v1", "apiVersion: v11"),
        ("apiVersion: v1", "apVersion: v1"),
        ("name: a", "name: A_"),
        ("name: a", "nme: a"),
        ("metadata:", "metdata:"),
    ] {
        let mut folder = Folder::new();
        folder.write("a.yaml", &good);
        folder.names();
        let bad = |port| {
            let slip = service("a", 80).replacen(right, wrong, 1);
            format!("{slip}---\n{}", service("b", port))
        };
        for port in [81, 82] {
            folder.write("a.yaml", bad(port));
            let loaded = folder.loader.load();
            assert_eq!(ports(&loaded), [80, port], "{wrong}");
            let drawn = drawn(&loaded);
            assert!(drawn.contains("stays in force"), "{wrong}: {drawn}");
        }
        folder.write("a.yaml", good.replacen("port: 80", "port: 90", 1));
        let loaded = folder.loader.load();
        assert_eq!(ports(&loaded), [90, 80], "{wrong} is mended");
        assert_eq!(lines(&loaded), Vec::<String>::new());
        folder.write("a.yaml", bad(81));
        folder.names();
        folder.write("a.yaml", service("b", 83));
        assert_eq!(ports(&folder.loader.load()), [83], "{wrong} is gone");
    }
}

#[test]
fn what_never_was_an_object_keeps_no_other_from_going() {
    let mut folder = Folder::new();
    let other = service("x", 80).replace("Service", "Servce");
    let text = format!("{}---\n{other}---\n{}", service("a", 80), service("b", 80));
    folder.write("a.yaml", &text);
    folder.names();
    folder.write("a.yaml", format!("{other}---\n{}", service("b", 81)));
    assert_eq!(ports(&folder.loader.load()), [81]);
    let workload = service("b", 80).replace("kind: Service", "kind: Deployment");
    folder.write("a.yaml", format!("{other}---\n{workload}"));
    assert_eq!(
        folder.names(),
        Vec::<String>::new(),
        "b is another thing now"
    );
}

#[test]
fn a_slip_beside_a_broken_document_is_no_removal_when_that_one_is_mended() {
    let mut folder = Folder::new();
    let slip = service("a", 80).replace("kind: Service", "kind: Servce");
    folder.write(
        "a.yaml",
        format!("{}---\n{}", service("a", 80), service("b", 80)),
    );
    let both = ["Service default/a", "Service default/b"];
    assert_eq!(folder.names(), both);
    folder.write("a.yaml", format!("{slip}---\nb: [\n"));
    assert_eq!(folder.names(), both);
    folder.write("a.yaml", format!("{slip}---\nb: [\n# still\n"));
    assert_eq!(folder.names(), both);
    folder.write("a.yaml", format!("{slip}---\n{}", service("b", 81)));
    assert_eq!(folder.names(), both, "a may still be there");
    folder.write("a.yaml", service("b", 81));
    assert_eq!(folder.names(), ["Service default/b"]);
}
