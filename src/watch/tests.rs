//! Tests of which wakes the changes in a folder cause.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Waits for a wake with a hint. Skips those of regular scans.
fn next_hint(wakes: &mut WakeReceiver) -> ChangeHint {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        match wakes.take() {
            Some(wake) if wake.changed != ChangeHint::Nothing => return wake.changed,
            _ => std::thread::yield_now(),
        }
    }
    panic!("no wake was received");
}

/// Watches a folder, and waits until the watches are set.
fn watch(roots: Vec<PathBuf>) -> WakeReceiver {
    let (sender, mut receiver) = wake_channel();
    spawn(roots, WatchMode::Events, sender).expect("the threads are started");
    // The first scan begins after the watches are set.
    while receiver.take().is_none() {
        std::thread::yield_now();
    }
    receiver
}

fn watch_folder(root: &Path) -> WakeReceiver {
    watch(vec![root.to_owned()])
}

#[test]
fn a_write_a_rename_and_a_removal_are_reported_with_their_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut wakes = watch_folder(folder.path());
    let (file, temporary) = (folder.path().join("a.yaml"), folder.path().join("sedAbCd"));
    let named = ChangeHint::Files([file.clone()].into());
    fs::write(&file, "a: 1").expect("the file is written");
    assert_eq!(next_hint(&mut wakes), named, "a write in place");
    fs::write(&temporary, "a: 2").expect("the file is written");
    fs::rename(&temporary, &file).expect("the file is renamed");
    assert_eq!(next_hint(&mut wakes), named, "a rename into place");
    fs::remove_file(&file).expect("it is removed");
    assert_eq!(next_hint(&mut wakes), named, "a removal");
}

#[test]
fn swapping_the_data_link_may_change_anything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for version in ["..1", "..2"] {
        fs::create_dir(folder.path().join(version)).expect("a temporary folder");
        fs::write(folder.path().join(version).join("a.yaml"), version)
            .expect("the file is written");
    }
    symlink("..1", folder.path().join("..data")).expect("the link is created");
    symlink("..data/a.yaml", folder.path().join("a.yaml")).expect("the link is created");
    let mut wakes = watch_folder(folder.path());
    symlink("..2", folder.path().join("..data_tmp")).expect("the link is created");
    let renamed = fs::rename(
        folder.path().join("..data_tmp"),
        folder.path().join("..data"),
    );
    renamed.expect("swapped");
    assert_eq!(next_hint(&mut wakes), ChangeHint::Anything);
}

#[test]
fn a_write_to_the_target_of_a_link_is_reported_with_the_link() {
    let (folder, outside) = (tempfile::tempdir(), tempfile::tempdir());
    let (folder, outside) = (
        folder.expect("a temporary folder"),
        outside.expect("another"),
    );
    let (target, link) = (outside.path().join("a.conf"), folder.path().join("a.yaml"));
    fs::write(&target, "a: 1").expect("the file is written");
    symlink(&target, &link).expect("the link is created");
    let mut wakes = watch_folder(folder.path());
    let named = ChangeHint::Files([link.clone()].into());
    fs::write(&target, "a: 2").expect("the file is written");
    assert_eq!(next_hint(&mut wakes), named, "a write in place");
    let (other, temporary) = (outside.path().join("b"), outside.path().join("c"));
    fs::write(&other, "not a manifest").expect("the file is written");
    fs::write(&temporary, "a: 3").expect("the file is written");
    fs::rename(&temporary, &target).expect("the file is renamed");
    assert_eq!(next_hint(&mut wakes), named, "a rename into place");
}

/// Writes a file repeatedly until a wake reports it, because the watches may be being set again.
fn assert_watched(wakes: &mut WakeReceiver, file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    for round in 0.. {
        assert!(
            Instant::now() < deadline,
            "{} isn't watched",
            file.display()
        );
        fs::write(file, format!("a: {round}")).expect("the file is written");
        if next_hint(wakes) == ChangeHint::Files([file.to_owned()].into()) {
            return;
        }
    }
}

/// The operating system removes the watch of the folder together with the link.
#[test]
fn a_folder_stays_watched_when_a_link_to_it_is_removed() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let (real, link) = (root.path().join("real"), root.path().join("link"));
    fs::create_dir(&real).expect("a temporary folder");
    symlink("real", &link).expect("the link is created");
    let mut wakes = watch_folder(root.path());
    fs::remove_file(&link).expect("it is removed");
    assert_eq!(next_hint(&mut wakes), ChangeHint::Anything, "the removal");
    assert_watched(&mut wakes, &real.join("a.yaml"));
}

#[test]
fn a_root_that_cannot_be_watched_does_not_affect_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, root) = (folder.path().join("file"), folder.path().join("root"));
    fs::write(&file, "").expect("the file is written");
    fs::create_dir(&root).expect("a temporary folder");
    let mut wakes = watch(vec![file.join("below"), root.clone()]);
    assert_watched(&mut wakes, &root.join("a.yaml"));
}

#[test]
fn a_root_that_is_replaced_is_watched_again() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let root = parent.path().join("manifests");
    fs::create_dir(&root).expect("a temporary folder");
    let mut wakes = watch_folder(&root);
    fs::rename(&root, parent.path().join("old")).expect("moved away");
    fs::create_dir(&root).expect("a new folder");
    assert_eq!(
        next_hint(&mut wakes),
        ChangeHint::Anything,
        "the replacement"
    );
    assert_watched(&mut wakes, &root.join("a.yaml"));
    // A folder that is created again at once may even have the old inode.
    fs::remove_dir_all(&root).expect("it is removed");
    fs::create_dir(&root).expect("a new folder");
    assert_watched(&mut wakes, &root.join("b.yaml"));
}
