//! Tests of which objects stay in force when a file becomes invalid.

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

#[test]
fn keeps_last_good_file_when_yaml_is_broken() {
    let mut folder = Folder::new();
    let good = format!("{}---\n{}", service("a", 80), service("b", 80));
    folder.write("a.yaml", &good);
    folder.write("z.yaml", service("z", 80));
    folder.names();
    folder.write("a.yaml", format!("{}---\nb: [\n", service("a", 81)));
    insta::assert_snapshot!(folder.rendered());
    let loaded = folder.loader.load();
    assert_eq!(
        names(&loaded),
        [
            "Service default/a",
            "Service default/b",
            "Service default/z"
        ]
    );
    let a = first_service(&loaded);
    assert_eq!(
        a.spec.ports[0].port.get(),
        80,
        "objects of two versions of the file are never mixed"
    );
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b", "Service default/z"]);
}

#[test]
fn loads_the_readable_documents_of_a_file_that_was_never_valid() {
    let mut folder = Folder::new();
    folder.write("a.yaml", format!("{}---\nb: [\n", service("a", 80)));
    assert_eq!(folder.names(), ["Service default/a"]);
    folder.write("a.yaml", format!("a: [\n---\n{}", service("b", 80)));
    assert_eq!(
        folder.names(),
        ["Service default/a", "Service default/b"],
        "a may still be in the broken document"
    );
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b"]);
}

#[test]
fn keeps_last_good_version_of_a_refused_object_and_loads_the_others() {
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
    insta::assert_snapshot!(folder.rendered());
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
fn drops_the_objects_of_an_empty_file_only_if_it_stays_empty() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.names();
    folder.write("a.yaml", "");
    let loaded = folder.loader.load();
    assert_eq!(
        names(&loaded),
        ["Service default/a"],
        "a write may have begun"
    );
    assert!(folder.loader.recheck_at().is_some());
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b"], "the write has ended");
    folder.write("a.yaml", "");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !folder.names().is_empty() {
        assert!(
            std::time::Instant::now() < deadline,
            "the empty file isn't loaded"
        );
    }
    assert_eq!(lines(&folder.loader.load()), Vec::<String>::new());
    assert_eq!(folder.loader.recheck_at(), None);
}

#[test]
fn keeps_last_good_file_when_it_becomes_binary() {
    let mut folder = Folder::new();
    folder.write("a.yaml", service("a", 80));
    folder.names();
    folder.write("a.yaml", b"\x00\x01\x02");
    assert_eq!(folder.names(), ["Service default/a"]);
    folder.write("a.yaml", service("b", 80));
    assert_eq!(folder.names(), ["Service default/b"]);
}

#[test]
fn keeps_last_good_files_of_a_folder_that_cannot_be_read() {
    let mut folder = Folder::new();
    folder.write("sub/a.yaml", service("a", 80));
    folder.names();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .expect("the folder is writable");
    };
    let sub = folder.path("sub");
    mode(&sub, 0o000);
    // The superuser can read every folder, so there is no error then.
    let closed = fs::read_dir(&sub).is_err();
    let loaded = folder.loader.load();
    mode(&sub, 0o755);
    assert_eq!(names(&loaded), ["Service default/a"]);
    assert_eq!(errors(&loaded), usize::from(closed));
}

/// A dead mount causes such an error.
#[test]
fn keeps_last_good_files_of_a_folder_that_cannot_be_examined() {
    let mut folder = Folder::new();
    folder.write("sub/a.yaml", service("a", 80));
    folder.write("b.yaml", service("b", 80));
    folder.names();
    fs::rename(folder.path("sub"), folder.path(".sub")).expect("the folder is moved");
    // The name is too long for any file system, which is another error than a missing file.
    symlink("x".repeat(300), folder.path("sub")).expect("the link is created");
    symlink("loop", folder.path("loop")).expect("the link is created");
    let loaded = folder.loader.load();
    assert_eq!(names(&loaded), ["Service default/a", "Service default/b"]);
    assert_eq!(errors(&loaded), 1, "{}", rendered(&loaded));
    fs::remove_file(folder.path("sub")).expect("it is removed");
    assert_eq!(folder.names(), ["Service default/b"]);
}

#[test]
fn keeps_last_good_files_of_a_root_that_is_removed() {
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
    fs::create_dir(folder.dir.path()).expect("the folder is created");
    assert_eq!(folder.names(), Vec::<String>::new());
}

/// The ports of the Services in force.
fn ports(loaded: &Loaded) -> Vec<u16> {
    let services = loaded.resources.services.values();
    services.map(|it| it.spec.ports[0].port.get()).collect()
}

#[test]
fn a_typing_error_in_the_kind_or_the_name_removes_no_object() {
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
            let rendered = rendered(&loaded);
            assert!(rendered.contains("stays in force"), "{wrong}: {rendered}");
        }
        folder.write("a.yaml", good.replacen("port: 80", "port: 90", 1));
        let loaded = folder.loader.load();
        assert_eq!(ports(&loaded), [90, 80], "{wrong} is corrected");
        assert_eq!(lines(&loaded), Vec::<String>::new());
        folder.write("a.yaml", bad(81));
        folder.names();
        folder.write("a.yaml", service("b", 83));
        assert_eq!(ports(&folder.loader.load()), [83], "{wrong} is removed");
    }
}

#[test]
fn a_document_that_was_always_unidentified_keeps_no_object() {
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
        "b is of another kind now"
    );
}

#[test]
fn a_typing_error_removes_no_object_when_a_broken_document_is_corrected() {
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
