//! What happens in a folder, and what it wakes.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Waits for a wake about anything, or about files; not for a regular one.
fn woken(woken: &mut Woken) -> Touched {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        match woken.take() {
            Some(wake) if wake.touched != Touched::Nothing => return wake.touched,
            _ => std::thread::yield_now(),
        }
    }
    panic!("no wake came");
}

fn watched(root: &Path) -> Woken {
    let (wakes, mut woken) = wakes();
    spawn(vec![root.to_owned()], Mode::Events, wakes).expect("a thread");
    // The first look comes when the watches are set.
    while woken.take().is_none() {
        std::thread::yield_now();
    }
    woken
}

#[test]
fn a_write_a_rename_and_a_removal_name_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wakes = watched(folder.path());
    let (file, temporary) = (folder.path().join("a.yaml"), folder.path().join("sedAbCd"));
    let named = Touched::Files([file.clone()].into());
    fs::write(&file, "a: 1").expect("written");
    assert_eq!(woken(&mut wakes), named, "a write in place");
    fs::write(&temporary, "a: 2").expect("written");
    fs::rename(&temporary, &file).expect("renamed");
    assert_eq!(woken(&mut wakes), named, "a rename into place");
    fs::remove_file(&file).expect("removed");
    assert_eq!(woken(&mut wakes), named, "a removal");
}

#[test]
fn the_swap_of_a_data_link_touches_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    for version in ["..1", "..2"] {
        fs::create_dir(folder.path().join(version)).expect("a folder");
        fs::write(folder.path().join(version).join("a.yaml"), version).expect("written");
    }
    symlink("..1", folder.path().join("..data")).expect("a link");
    symlink("..data/a.yaml", folder.path().join("a.yaml")).expect("a link");
    let mut wakes = watched(folder.path());
    symlink("..2", folder.path().join("..data_tmp")).expect("a link");
    let renamed = fs::rename(
        folder.path().join("..data_tmp"),
        folder.path().join("..data"),
    );
    renamed.expect("swapped");
    assert_eq!(woken(&mut wakes), Touched::Anything);
}

#[test]
fn a_write_behind_a_link_that_leads_out_names_the_link() {
    let (folder, outside) = (tempfile::tempdir(), tempfile::tempdir());
    let (folder, outside) = (folder.expect("a folder"), outside.expect("another"));
    let (target, link) = (outside.path().join("a.conf"), folder.path().join("a.yaml"));
    fs::write(&target, "a: 1").expect("written");
    symlink(&target, &link).expect("a link");
    let mut wakes = watched(folder.path());
    let named = Touched::Files([link.clone()].into());
    fs::write(&target, "a: 2").expect("written");
    assert_eq!(woken(&mut wakes), named, "a write in place");
    let (other, temporary) = (outside.path().join("b"), outside.path().join("c"));
    fs::write(&other, "no concern").expect("written");
    fs::write(&temporary, "a: 3").expect("written");
    fs::rename(&temporary, &target).expect("renamed");
    assert_eq!(woken(&mut wakes), named, "a rename into place");
}

/// Writes a file until a wake names it: watches may be set again at this moment.
fn assert_watched(wakes: &mut Woken, file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    for round in 0.. {
        assert!(
            Instant::now() < deadline,
            "{} isn't watched",
            file.display()
        );
        fs::write(file, format!("a: {round}")).expect("written");
        if woken(wakes) == Touched::Files([file.to_owned()].into()) {
            return;
        }
    }
}

/// The system takes the watch of the folder away with the link.
#[test]
fn a_folder_is_watched_on_when_a_link_to_it_goes() {
    let root = tempfile::tempdir().expect("a folder");
    let (real, link) = (root.path().join("real"), root.path().join("link"));
    fs::create_dir(&real).expect("a folder");
    symlink("real", &link).expect("a link");
    let mut wakes = watched(root.path());
    fs::remove_file(&link).expect("removed");
    assert_eq!(woken(&mut wakes), Touched::Anything, "the removal");
    assert_watched(&mut wakes, &real.join("a.yaml"));
}

#[test]
fn a_root_that_cannot_be_watched_takes_no_other_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, root) = (folder.path().join("file"), folder.path().join("root"));
    fs::write(&file, "").expect("written");
    fs::create_dir(&root).expect("a folder");
    let (wakes, mut woken) = wakes();
    let roots = vec![file.join("below"), root.clone()];
    spawn(roots, Mode::Events, wakes).expect("a thread");
    while woken.take().is_none() {
        std::thread::yield_now();
    }
    assert_watched(&mut woken, &root.join("a.yaml"));
}

#[test]
fn watches_that_cannot_be_set_are_tried_again_ever_more_rarely() {
    let now = Instant::now();
    let mut retry = Retry::after(None, now);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.push((retry.at - now).as_secs());
        retry = Retry::after(Some(retry.pause), now);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_root_that_is_replaced_is_watched_again() {
    let parent = tempfile::tempdir().expect("a folder");
    let root = parent.path().join("manifests");
    fs::create_dir(&root).expect("a folder");
    let mut wakes = watched(&root);
    fs::rename(&root, parent.path().join("old")).expect("moved away");
    fs::create_dir(&root).expect("a new folder");
    assert_eq!(woken(&mut wakes), Touched::Anything, "the replacement");
    assert_watched(&mut wakes, &root.join("a.yaml"));
    // Removed and made again at once it may even have its old inode.
    fs::remove_dir_all(&root).expect("removed");
    fs::create_dir(&root).expect("a new folder");
    assert_watched(&mut wakes, &root.join("b.yaml"));
}
