//! Tests that loading individual files gives the same result as loading everything.

use super::{first_service, service};
use crate::{Loaded, Loader, Update, scan};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A change of the folder.
#[derive(Clone, Debug)]
enum Edit {
    Write(&'static str, String),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    HardLink(&'static str, &'static str),
}

const NAMES: [&str; 5] = ["a.yaml", "b.yaml", "c.yaml", "team/d.yaml", "team/e.yaml"];

const KUSTOMIZATIONS: [&str; 3] = [
    "kustomization.yaml",
    "team/kustomization.yaml",
    "team/Kustomization",
];

/// The texts of manifests.
fn manifests() -> Vec<String> {
    vec![
        service("a", 80),
        service("a", 81),
        service("b", 80),
        format!("{}---\n{}", service("c", 80), service("d", 80)),
        format!("{}---\n{}", service("d", 80), service("c", 80)),
        service("c", 80).replace("port: 80", "port: many"),
        "spec: [broken".to_owned(),
        "# nothing\n".to_owned(),
    ]
}

/// The texts of kustomizations.
fn kustomizations() -> Vec<String> {
    let texts = [
        "namespace: one\nresources: [a.yaml, team]\n",
        "namespace: two\nresources: [d.yaml, ../b.yaml]\n",
        "resources: [d.yaml]\npatches: [{path: e.yaml}]\n",
        "namespace: [broken\n",
    ];
    texts.iter().map(ToString::to_string).collect()
}

fn edit(
    names: impl IntoIterator<Item = &'static str>,
    texts: Vec<String>,
) -> impl Strategy<Value = Edit> {
    let names: Vec<&str> = names.into_iter().collect();
    let name = || select(names.clone());
    prop_oneof![
        6 => (name(), select(texts)).prop_map(|(name, text)| Edit::Write(name, text)),
        1 => name().prop_map(Edit::Remove),
        1 => (name(), name()).prop_map(|(from, to)| Edit::Rename(from, to)),
        1 => (name(), name()).prop_map(|(from, to)| Edit::Link(from, to)),
        1 => (name(), name()).prop_map(|(from, to)| Edit::HardLink(from, to)),
    ]
}

impl Edit {
    /// Makes the change and returns the affected paths. Returns none if the change is impossible.
    fn apply(&self, folder: &Path) -> BTreeSet<PathBuf> {
        let at = |name: &str| folder.join(name);
        let (result, changed) = match self {
            Edit::Write(name, text) => (fs::write(at(name), text), vec![at(name)]),
            Edit::Remove(name) => (fs::remove_file(at(name)), vec![at(name)]),
            Edit::Rename(from, to) => (fs::rename(at(from), at(to)), vec![at(from), at(to)]),
            Edit::Link(to, name) => (symlink(at(to), at(name)), vec![at(name)]),
            Edit::HardLink(to, name) => (fs::hard_link(at(to), at(name)), vec![at(name)]),
        };
        match result {
            Ok(()) => changed.into_iter().collect(),
            Err(_) => BTreeSet::new(),
        }
    }
}

/// Everything in which two loads can differ.
fn shown(loaded: &Loaded) -> String {
    format!("{:#?}\n{:#?}", loaded.resources, loaded.diagnostics)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn updating_by_file_equals_loading_everything(
        edits in prop::collection::vec(edit(NAMES, manifests()), 1..24)
    ) {
        check_updates(edits)?;
    }

    #[test]
    fn updating_by_file_equals_loading_everything_with_kustomizations(
        edits in prop::collection::vec(
            prop_oneof![edit(NAMES, manifests()), edit(KUSTOMIZATIONS, kustomizations())],
            1..24,
        )
    ) {
        check_updates(edits)?;
    }
}

/// Applies edits, and compares loading the edited files with loading everything after each.
fn check_updates(edits: Vec<Edit>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("team")).expect("a temporary folder");
    let roots = [folder.path().to_owned()];
    let (mut by_file, mut whole) = (Loader::new(roots.clone()), Loader::new(roots));
    let mut current = by_file.load();
    whole.load();
    for edit in edits {
        let changed = edit.apply(folder.path());
        if let Update::New(loaded) = by_file.update_files(&changed) {
            current = loaded;
        }
        prop_assert_eq!(shown(&current), shown(&whole.load()), "after {:?}", edit);
    }
    let same = matches!(by_file.update(), Update::Same);
    prop_assert!(same, "a scan finds nothing else");
    Ok(())
}

#[test]
fn a_changed_file_leaves_other_kinds_and_objects_unchanged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yaml"), service("a", 80)).expect("the file is written");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";
    fs::write(at("b.yaml"), namespace).expect("the file is written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    let before = loader.load();
    fs::write(at("a.yaml"), service("a", 81)).expect("the file is written");
    let Update::New(after) = loader.update_files(&[at("a.yaml")].into()) else {
        panic!("a change is noticed");
    };
    let (one, other) = (&before.resources, &after.resources);
    let shared = Arc::ptr_eq(&one.namespaces, &other.namespaces);
    assert!(shared, "no namespace has changed");
    assert_ne!(one.services, other.services);
    assert!(matches!(
        loader.update_files(&[at("b.yaml")].into()),
        Update::Same
    ));
}

/// Updates from a scan, and rechecks until no file is deferred.
fn update_until_settled(loader: &mut Loader, folder: &Path) -> Option<Loaded> {
    let scan = scan(&[folder.to_owned()]);
    let mut update = loader.update_from_scan(&scan);
    let deadline = Instant::now() + Duration::from_secs(10);
    while let (Update::Same, Some(_)) = (&update, loader.recheck_at()) {
        assert!(Instant::now() < deadline, "a file never settles");
        update = loader.update_deferred();
    }
    match update {
        Update::New(loaded) => Some(loaded),
        Update::Same => None,
    }
}

#[test]
fn loads_a_file_that_a_scan_found_once_it_stays_unchanged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let mut loader = Loader::new([folder.path().to_owned()]);
    fs::write(at("b.yaml"), service("b", 80)).expect("the file is written");
    loader.load();
    let update = |loader: &mut Loader| update_until_settled(loader, folder.path());
    assert!(update(&mut loader).is_none(), "nothing has changed");
    for (text, port) in [(service("a", 80), 80), (service("a", 81), 81)] {
        fs::write(at("a.yaml"), text).expect("the file is written");
        let seen = scan(&[folder.path().to_owned()]);
        assert!(matches!(loader.update_from_scan(&seen), Update::Same));
        assert!(loader.recheck_at().is_some(), "the file may be incomplete");
        let loaded = update(&mut loader).expect("the file is loaded");
        let a = first_service(&loaded);
        assert_eq!(a.spec.ports[0].port.get(), port);
    }
    fs::remove_file(at("a.yaml")).expect("it is removed");
    let seen = scan(&[folder.path().to_owned()]);
    assert!(
        matches!(loader.update_from_scan(&seen), Update::Same),
        "it may come back"
    );
    let loaded = update(&mut loader).expect("the removal is loaded");
    assert_eq!(loaded.resources.services.len(), 1);
    assert!(update(&mut loader).is_none());
}

/// An editor replaces a file without events: it is missing in one scan and exists again in the next.
#[test]
fn keeps_a_file_that_is_missing_for_a_moment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yaml"), service("a", 80)).expect("the file is written");
    fs::write(at("b.yaml"), service("b", 80)).expect("the file is written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    fs::rename(at("a.yaml"), at("a.yaml~")).expect("the file is renamed");
    fs::remove_file(at("b.yaml")).expect("it is removed");
    let seen = scan(&[folder.path().to_owned()]);
    assert!(matches!(loader.update_from_scan(&seen), Update::Same));
    fs::rename(at("a.yaml~"), at("a.yaml")).expect("renamed back");
    let loaded = update_until_settled(&mut loader, folder.path()).expect("b is gone for good");
    let names: Vec<_> = loaded.resources.services.keys().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let again = update_until_settled(&mut loader, folder.path());
    assert!(again.is_none_or(|loaded| loaded.resources.services.len() == 1));
}

/// A slow scan reports the files at its beginning.
#[test]
fn an_outdated_scan_undoes_no_change() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.yaml"), service("a", 80)).expect("the file is written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    let old = scan(&[folder.path().to_owned()]);
    fs::write(at("a.yaml"), service("a", 81)).expect("the file is written");
    fs::write(at("b.yaml"), service("b", 80)).expect("the file is written");
    let changed = [at("a.yaml"), at("b.yaml")].into();
    assert!(matches!(loader.update_files(&changed), Update::New(_)));
    assert!(matches!(loader.update_from_scan(&old), Update::Same));
    assert_eq!(loader.recheck_at(), None, "no file is deferred");
    assert!(loader.load().resources.services.len() == 2);
}

#[test]
fn loads_a_complete_file_while_another_is_deferred() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["a", "b"] {
        fs::write(at(&format!("{name}.yaml")), service(name, 80)).expect("the file is written");
    }
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    for name in ["a", "b"] {
        fs::write(at(&format!("{name}.yaml")), service(name, 81)).expect("the file is written");
    }
    let seen = scan(&[folder.path().to_owned()]);
    assert!(matches!(loader.update_from_scan(&seen), Update::Same));
    let Update::New(loaded) = loader.update_files(&[at("a.yaml")].into()) else {
        panic!("a is complete");
    };
    let ports = |loaded: &Loaded| -> Vec<u16> {
        let services = loaded.resources.services.values();
        services.map(|it| it.spec.ports[0].port.get()).collect()
    };
    assert_eq!(ports(&loaded), [81, 80]);
    assert!(loader.recheck_at().is_some(), "b is still deferred");
    let loaded = update_until_settled(&mut loader, folder.path()).expect("b");
    assert_eq!(ports(&loaded), [81, 81]);
}

#[test]
fn new_and_removed_files_need_no_scan() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("team")).expect("a temporary folder");
    for name in ["a", "b"] {
        fs::write(at(&format!("{name}.yaml")), service(name, 80)).expect("the file is written");
    }
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    // This change isn't reported, so only a scan finds it.
    fs::write(at("b.yaml"), service("b", 81)).expect("the file is written");
    fs::write(at("team/c.yaml"), service("c", 82)).expect("the file is written");
    fs::remove_file(at("a.yaml")).expect("it is removed");
    let changed = ["a.yaml", "team/c.yaml", "never.yaml"].map(at).into();
    let Update::New(loaded) = loader.update_files(&changed) else {
        panic!("a change is noticed");
    };
    let services = loaded.resources.services.values();
    let ports: Vec<u16> = services.map(|it| it.spec.ports[0].port.get()).collect();
    assert_eq!((ports, loaded.files), (vec![80, 82], 2));
    // A file that a scan doesn't find isn't loaded.
    fs::create_dir(at(".git")).expect("a temporary folder");
    fs::write(at(".git/d.yaml"), service("d", 80)).expect("the file is written");
    let Update::New(loaded) = loader.update_files(&[at(".git/d.yaml")].into()) else {
        panic!("the scan finds b");
    };
    assert_eq!(loaded.files, 2);
}

#[test]
fn a_full_update_shares_the_kinds_without_changes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";
    // A duplicate causes a merge of all files.
    for (name, text) in [
        ("a", &*service("a", 80)),
        ("b", &service("a", 81)),
        ("n", namespace),
    ] {
        fs::write(at(&format!("{name}.yaml")), text).expect("the file is written");
    }
    let mut loader = Loader::new([folder.path().to_owned()]);
    let before = loader.load().resources;
    fs::write(at("c.yaml"), service("c", 80)).expect("the file is written");
    let Update::New(after) = loader.update() else {
        panic!("a change is noticed");
    };
    let after = after.resources;
    assert!(Arc::ptr_eq(&before.namespaces, &after.namespaces));
    assert!(Arc::ptr_eq(&before.http_routes, &after.http_routes));
    assert_eq!(after.services.len(), 2);
}

#[test]
fn a_second_name_of_a_file_that_no_event_reports_defines_nothing_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("b.yaml"), service("b", 80)).expect("the file is written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    // The file must be old enough for its times to prove that it is unchanged.
    std::thread::sleep(Duration::from_millis(100));
    let mut now = loader.load();
    symlink("b.yaml", at("a.yaml")).expect("the link is created");
    while let Some(loaded) = update_until_settled(&mut loader, folder.path()) {
        now = loaded;
    }
    let fresh = Loader::new([folder.path().to_owned()]).load();
    assert_eq!(shown(&now), shown(&fresh));
}
