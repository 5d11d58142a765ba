use super::*;
use crate::folder::settling::{Completeness, SettlingFiles};
use crate::kustomize::KustomizePlan;
use std::fs;
use std::time::Duration;

const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";

/// Brings the state of a file up to date. Returns it with the number of files that were read.
fn load(
    path: &Path,
    fingerprint: Fingerprint,
    old: Option<FileState>,
) -> (Option<FileState>, usize) {
    let settling = SettlingFiles::default();
    let plan = KustomizePlan::default();
    let mut pass = LoadPass::new(&settling, &plan, Completeness::Reported);
    let state = FileState::current(path, fingerprint, old, &mut pass);
    (state, pass.end())
}

#[test]
fn reads_a_file_again_after_a_failure_although_it_has_not_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.yaml");
    // Reading a folder fails, but it has a fingerprint.
    fs::create_dir(&path).expect("the folder is created");
    let fingerprint = Fingerprint::of_path(&path).expect("it exists");
    let (failed, count) = load(&path, fingerprint, None);
    let failed = failed.expect("it exists");
    assert_eq!((failed.diagnostics.len(), count), (1, 1));
    assert!(!failed.is_current(&fingerprint), "reading it is retried");
    let (failed, count) = load(&path, fingerprint, Some(failed));
    assert_eq!(count, 0, "an equal failure is no change");
    fs::remove_dir(&path).expect("the folder is removed");
    fs::write(&path, SERVICE).expect("the file is written");
    let now = Fingerprint::of_path(&path).expect("it exists");
    let failed = FileState {
        fingerprint: Some(now),
        ..failed.expect("it existed")
    };
    let (state, _) = load(&path, now, Some(failed));
    let state = state.expect("it exists");
    assert_eq!((state.objects.len(), state.diagnostics.len()), (1, 0));
}

#[test]
fn keeps_the_last_good_objects_when_decoding_panics() {
    let source = |text: &str| {
        Arc::new(Source {
            path: "a.yaml".into(),
            text: text.into(),
        })
    };
    let good = FileState::read(source(SERVICE), None, None, DecodeContext::default());
    let panics = |_: &Arc<Source>, _: &FileState| -> Documents { panic!("a defect") };
    let state = FileState::read_by(panics, source("a: b"), good, None);
    assert_eq!(state.objects.len(), 1);
    let found = state.diagnostics.first().expect("the panic is reported");
    assert!(found.message.contains("defect"), "{}", found.message);
}

#[test]
fn reads_a_file_with_a_time_in_the_future_again_only_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.yaml");
    fs::write(&path, SERVICE).expect("the file is written");
    let file = fs::File::options().write(true).open(&path);
    let later = SystemTime::now() + Duration::from_secs(3_600);
    file.and_then(|file| file.set_modified(later))
        .expect("the time is set");
    let fingerprint = Fingerprint::of_path(&path).expect("it exists");
    let (first, _) = load(&path, fingerprint, None);
    let first = first.expect("it exists");
    assert!(!first.is_current(&fingerprint), "its clock may be wrong");
    let (second, _) = load(&path, fingerprint, Some(first));
    assert!(second.expect("it exists").is_current(&fingerprint));
}
