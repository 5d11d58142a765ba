//! Symbolic links and their targets.

use super::{HOST, NEW, OutsideFolder, new, other, shop, start, wait_for_backend, write_outside};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use std::fs;
use std::os::unix::fs::symlink;

/// Kubernetes mounts a ConfigMap as links that point through one link, which is swapped.
#[test]
fn every_swap_of_a_data_link_is_served() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
    ]);
    let swap = |turn: usize, text: &str| {
        folder.write(&format!("..v{turn}/route.yaml"), text);
        let hidden = folder.path().join("..data_tmp");
        symlink(format!("..v{turn}"), &hidden).expect("a link");
        fs::rename(&hidden, folder.path().join("..data")).expect("the swap");
        if let Some(old) = turn.checked_sub(1) {
            let _ = fs::remove_dir_all(folder.path().join(format!("..v{old}")));
        }
    };
    swap(0, &route("one", HOST));
    symlink("..data/route.yaml", folder.path().join("route.yaml")).expect("a link");
    let daemon = start(&folder);
    for turn in 1..=20 {
        let (text, backend) = match turn % 2 {
            1 => (other(), "two"),
            _ => (route("one", HOST), "one"),
        };
        swap(turn, &text);
        wait_for_backend(&daemon, backend);
    }
}

#[test]
fn a_watched_link_to_a_folder_may_change_its_target() {
    let parent = Folder::new();
    for (version, text) in [("v1", route("one", HOST)), ("v2", other())] {
        parent.write(&format!("{version}/gateway.yaml"), gateway());
        parent.write(&format!("{version}/one.yaml"), service("one"));
        parent.write(&format!("{version}/two.yaml"), service("two"));
        parent.write(&format!("{version}/route.yaml"), text);
    }
    let point = |to: &str, link: &str| {
        let hidden = parent.path().join("hidden");
        symlink(to, &hidden).expect("a link");
        fs::rename(&hidden, parent.path().join(link)).expect("swapped");
    };
    // `current` is a link to `release`, which is a link to the folder. `release` is swapped first.
    point("v1", "release");
    point("release", "current");
    let elsewhere = Folder::new();
    let current = parent.path().join("current");
    let daemon = Daemon::of(&elsewhere)
        .arg(current.to_string_lossy())
        .echo()
        .start();
    wait_for_backend(&daemon, "one");
    point("v2", "release");
    wait_for_backend(&daemon, "two");
    point("v1", "current");
    wait_for_backend(&daemon, "one");
    parent.write("v1/route.yaml", other());
    wait_for_backend(&daemon, "two");
}

#[test]
fn follows_links_to_files_and_folders_outside() {
    let folder = shop();
    let _outside = OutsideFolder::of(&folder);
    let file = write_outside(&folder, "route.yaml", &route("one", HOST));
    let team = write_outside(&folder, "team/new.yaml", &new());
    folder.remove("route.yaml");
    symlink(&file, folder.path().join("route.yaml")).expect("a link");
    symlink(team.parent().expect("a folder"), folder.path().join("team")).expect("a link");
    let daemon = start(&folder);
    daemon.wait_for_status(NEW, "/", 200);
    fs::write(&file, other()).expect("written");
    wait_for_backend(&daemon, "two");
    let renamed = file.with_extension("tmp");
    fs::write(&renamed, route("one", HOST)).expect("written");
    fs::rename(&renamed, &file).expect("renamed");
    wait_for_backend(&daemon, "one");
    fs::remove_file(&team).expect("removed");
    daemon.wait_for_status(NEW, "/", 404);
    fs::write(&team, new()).expect("written");
    daemon.wait_for_status(NEW, "/", 200);
    fs::remove_file(folder.path().join("team")).expect("the link removed");
    daemon.wait_for_status(NEW, "/", 404);
}

#[test]
fn loads_a_link_whose_target_appears() {
    let folder = shop();
    let daemon = start(&folder);
    let path = folder.path().join("route.yaml");
    fs::remove_file(&path).expect("removed");
    symlink("nowhere.yaml", &path).expect("a link");
    daemon.wait_for_status(HOST, "/", 404);
    folder.write("nowhere.yaml", route("one", HOST));
    daemon.wait_for_status(HOST, "/", 200);
}
