//! A look at what is said to have changed gives what a look at everything gives.

use super::service;
use crate::{Loaded, Loader, Update, scan};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What happens to the folder.
#[derive(Clone, Debug)]
enum Edit {
    Write(&'static str, String),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    HardLink(&'static str, &'static str),
}

const NAMES: [&str; 5] = ["a.yaml", "b.yaml", "c.yaml", "team/d.yaml", "team/e.yaml"];

fn edit() -> impl Strategy<Value = Edit> {
    let texts = vec![
        service("a", 80),
        service("a", 81),
        service("b", 80),
        format!("{}---\n{}", service("c", 80), service("d", 80)),
        format!("{}---\n{}", service("d", 80), service("c", 80)),
        service("c", 80).replace("port: 80", "port: many"),
        "spec: [broken".to_owned(),
        "# nothing\n".to_owned(),
    ];
    let name = || select(NAMES.to_vec());
    prop_oneof![
        6 => (name(), select(texts)).prop_map(|(name, text)| Edit::Write(name, text)),
        1 => name().prop_map(Edit::Remove),
        1 => (name(), name()).prop_map(|(from, to)| Edit::Rename(from, to)),
        1 => (name(), name()).prop_map(|(from, to)| Edit::Link(from, to)),
        1 => (name(), name()).prop_map(|(from, to)| Edit::HardLink(from, to)),
    ]
}

impl Edit {
    /// Does it, and says which paths that touches. What can't be done isn't.
    fn apply(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let at = |name: &str| folder.join(name);
        let (done, touched) = match self {
            Edit::Write(name, text) => (fs::write(at(name), text), vec![at(name)]),
            Edit::Remove(name) => (fs::remove_file(at(name)), vec![at(name)]),
            Edit::Rename(from, to) => (fs::rename(at(from), at(to)), vec![at(from), at(to)]),
            Edit::Link(to, name) => (symlink(at(to), at(name)), vec![at(name)]),
            Edit::HardLink(to, name) => (fs::hard_link(at(to), at(name)), vec![at(name)]),
        };
        match done {
            Ok(()) => touched.into_iter().collect(),
            Err(_) => BTreeSet::new(),
        }
    }
}

/// All that two loads can be told apart by.
fn shown(loaded: &Loaded) -> String {
    format!("{:#?}\n{:#?}", loaded.resources, loaded.diagnostics)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_updated_file_by_file_equals_what_is_loaded_whole(edits in prop::collection::vec(edit(), 1..24)) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("team")).expect("a folder");
        let roots = [folder.path().to_owned()];
        let (mut by_file, mut whole) = (Loader::new(roots.clone()), Loader::new(roots));
        let mut current = by_file.load();
        whole.load();
        for edit in edits {
            let touched = edit.apply(folder.path());
            if let Update::New(loaded) = by_file.update_files(&touched) {
                current = loaded;
            }
            prop_assert_eq!(shown(&current), shown(&whole.load()), "after {:?}", edit);
        }
        let same = matches!(by_file.update(), Update::Same);
        prop_assert!(same, "nothing is left for a look at everything");
    }
}

#[test]
fn one_changed_file_leaves_other_kinds_and_objects_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yaml"), service("a", 80)).expect("written");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";
    fs::write(at("b.yaml"), namespace).expect("written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    let before = loader.load();
    fs::write(at("a.yaml"), service("a", 81)).expect("written");
    let Update::New(after) = loader.update_files(&[at("a.yaml")].into()) else {
        panic!("a change");
    };
    let (one, other) = (&before.resources, &after.resources);
    let shared = Arc::ptr_eq(&one.namespaces, &other.namespaces);
    assert!(shared, "of namespaces nothing has changed");
    assert_ne!(one.services, other.services);
    assert!(matches!(
        loader.update_files(&[at("b.yaml")].into()),
        Update::Same
    ));
}

/// What a regular look gives: somebody scans, and the loader looks again as long as it is in doubt.
fn looked(loader: &mut Loader, folder: &Path) -> Option<Loaded> {
    let scan = scan(&[folder.to_owned()]);
    let mut update = loader.update_seen(&scan);
    let deadline = Instant::now() + Duration::from_secs(10);
    while let (Update::Same, Some(_)) = (&update, loader.look_again()) {
        assert!(Instant::now() < deadline, "it is never settled");
        update = loader.update_doubtful();
    }
    match update {
        Update::New(loaded) => Some(loaded),
        Update::Same => None,
    }
}

#[test]
fn what_a_scan_has_seen_counts_when_it_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let mut loader = Loader::new([folder.path().to_owned()]);
    fs::write(at("b.yaml"), service("b", 80)).expect("written");
    loader.load();
    let look = |loader: &mut Loader| looked(loader, folder.path());
    assert!(look(&mut loader).is_none(), "nothing has changed");
    for (text, port) in [(service("a", 80), 80), (service("a", 81), 81)] {
        fs::write(at("a.yaml"), text).expect("written");
        let seen = scan(&[folder.path().to_owned()]);
        assert!(matches!(loader.update_seen(&seen), Update::Same));
        assert!(loader.look_again().is_some(), "somebody may be writing");
        let loaded = look(&mut loader).expect("a new file");
        let a = loaded.resources.services.values().next().expect("a");
        assert_eq!(a.spec.ports[0].port.get(), port);
    }
    fs::remove_file(at("a.yaml")).expect("removed");
    let seen = scan(&[folder.path().to_owned()]);
    assert!(
        matches!(loader.update_seen(&seen), Update::Same),
        "it may come back"
    );
    let loaded = look(&mut loader).expect("a file less");
    assert_eq!(loaded.resources.services.len(), 1);
    assert!(look(&mut loader).is_none());
}

/// An editor without events: the file is away when somebody looks, and there again when it is looked at once more.
#[test]
fn a_file_that_is_away_for_a_moment_is_never_dropped_without_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yaml"), service("a", 80)).expect("written");
    fs::write(at("b.yaml"), service("b", 80)).expect("written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    fs::rename(at("a.yaml"), at("a.yaml~")).expect("renamed");
    fs::remove_file(at("b.yaml")).expect("removed");
    let seen = scan(&[folder.path().to_owned()]);
    assert!(matches!(loader.update_seen(&seen), Update::Same));
    fs::rename(at("a.yaml~"), at("a.yaml")).expect("renamed back");
    let loaded = looked(&mut loader, folder.path()).expect("b is gone for good");
    let names: Vec<_> = loaded.resources.services.keys().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let again = looked(&mut loader, folder.path());
    assert!(again.is_none_or(|loaded| loaded.resources.services.len() == 1));
}

/// A look that took long reports what was there when it began.
#[test]
fn a_scan_that_is_out_of_date_undoes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yaml"), service("a", 80)).expect("written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    let old = scan(&[folder.path().to_owned()]);
    fs::write(at("a.yaml"), service("a", 81)).expect("written");
    fs::write(at("b.yaml"), service("b", 80)).expect("written");
    let told = [at("a.yaml"), at("b.yaml")].into();
    assert!(matches!(loader.update_files(&told), Update::New(_)));
    assert!(matches!(loader.update_seen(&old), Update::Same));
    assert_eq!(loader.look_again(), None, "nothing is in doubt");
    assert!(loader.load().resources.services.len() == 2);
}

/// What one file is waited for holds up no other one.
#[test]
fn a_file_that_is_done_is_read_while_another_one_is_in_doubt() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["a", "b"] {
        fs::write(at(&format!("{name}.yaml")), service(name, 80)).expect("written");
    }
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    for name in ["a", "b"] {
        fs::write(at(&format!("{name}.yaml")), service(name, 81)).expect("written");
    }
    let seen = scan(&[folder.path().to_owned()]);
    assert!(matches!(loader.update_seen(&seen), Update::Same));
    let Update::New(loaded) = loader.update_files(&[at("a.yaml")].into()) else {
        panic!("its writer is done");
    };
    let ports = |loaded: &Loaded| -> Vec<u16> {
        let services = loaded.resources.services.values();
        services.map(|it| it.spec.ports[0].port.get()).collect()
    };
    assert_eq!(ports(&loaded), [81, 80]);
    assert!(loader.look_again().is_some(), "b is still in doubt");
    let loaded = looked(&mut loader, folder.path()).expect("b");
    assert_eq!(ports(&loaded), [81, 81]);
}

#[test]
fn files_that_come_and_go_need_no_look_at_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("team")).expect("a folder");
    for name in ["a", "b"] {
        fs::write(at(&format!("{name}.yaml")), service(name, 80)).expect("written");
    }
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    // Nobody tells of this, so it shows who looks.
    fs::write(at("b.yaml"), service("b", 81)).expect("written");
    fs::write(at("team/c.yaml"), service("c", 82)).expect("written");
    fs::remove_file(at("a.yaml")).expect("removed");
    let told = ["a.yaml", "team/c.yaml", "never.yaml"].map(at).into();
    let Update::New(loaded) = loader.update_files(&told) else {
        panic!("a change");
    };
    let services = loaded.resources.services.values();
    let ports: Vec<u16> = services.map(|it| it.spec.ports[0].port.get()).collect();
    assert_eq!((ports, loaded.files), (vec![80, 82], 2));
    // What no scan finds is no file of ours.
    fs::create_dir(at(".git")).expect("a folder");
    fs::write(at(".git/d.yaml"), service("d", 80)).expect("written");
    let Update::New(loaded) = loader.update_files(&[at(".git/d.yaml")].into()) else {
        panic!("b is found by the look at everything");
    };
    assert_eq!(loaded.files, 2);
}

#[test]
fn a_look_at_everything_shares_the_kinds_of_which_nothing_has_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";
    // A duplicate has everything put together anew.
    for (name, text) in [
        ("a", &*service("a", 80)),
        ("b", &service("a", 81)),
        ("n", namespace),
    ] {
        fs::write(at(&format!("{name}.yaml")), text).expect("written");
    }
    let mut loader = Loader::new([folder.path().to_owned()]);
    let before = loader.load().resources;
    fs::write(at("c.yaml"), service("c", 80)).expect("written");
    let Update::New(after) = loader.update() else {
        panic!("a change");
    };
    let after = after.resources;
    assert!(Arc::ptr_eq(&before.namespaces, &after.namespaces));
    assert!(Arc::ptr_eq(&before.http_routes, &after.http_routes));
    assert_eq!(after.services.len(), 2);
}

#[test]
fn another_name_for_a_file_that_no_event_tells_of_defines_nothing_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("b.yaml"), service("b", 80)).expect("written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    // Old enough for its times to prove that it is as it was.
    std::thread::sleep(Duration::from_millis(100));
    let mut now = loader.load();
    symlink("b.yaml", at("a.yaml")).expect("a link");
    while let Some(loaded) = looked(&mut loader, folder.path()) {
        now = loaded;
    }
    let fresh = Loader::new([folder.path().to_owned()]).load();
    assert_eq!(shown(&now), shown(&fresh));
}
