//! A look at what is said to have changed gives what a look at everything gives.

use super::service;
use crate::manifest::{Loaded, Loader, Update};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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
    let shared = std::sync::Arc::ptr_eq(&one.namespaces, &other.namespaces);
    assert!(shared, "of namespaces nothing has changed");
    assert_ne!(one.services, other.services);
    assert!(matches!(
        loader.update_files(&[at("b.yaml")].into()),
        Update::Same
    ));
}

#[test]
fn a_file_that_was_just_written_is_waited_for_when_nobody_says_that_it_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut loader = Loader::new([folder.path().to_owned()]);
    loader.load();
    fs::write(folder.path().join("a.yaml"), service("a", 80)).expect("written");
    assert!(matches!(loader.update_when_steady(), Update::Unsteady));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let loaded = loop {
        assert!(std::time::Instant::now() < deadline, "it is never done");
        if let Update::New(loaded) = loader.update_when_steady() {
            break loaded;
        }
    };
    assert_eq!(loaded.resources.services.len(), 1);
    assert!(matches!(loader.update_when_steady(), Update::Same));
}
