//! Links, and what they lead to.

use super::{Beside, HOST, NEW, beside, new, other, shop, start, wait_for_backend};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use std::fs;
use std::os::unix::fs::symlink;

/// How Kubernetes mounts a ConfigMap: names that lead through one link, which is swapped.
#[test]
fn many_swaps_of_a_data_link_each_are_served() {
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
fn a_watched_folder_that_is_a_link_may_be_retargeted() {
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
    // A link to a link: the nearer one is what is given, the farther one is swapped first.
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
fn files_and_folders_behind_links_that_lead_out_of_the_folder_are_followed() {
    let folder = shop();
    let _beside = Beside::of(&folder);
    let file = beside(&folder, "route.yaml", &route("one", HOST));
    let team = beside(&folder, "team/new.yaml", &new());
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

/// Permissions are no content, but what can't be read keeps what was last good in it.
#[test]
fn a_file_that_becomes_readable_is_read() {
    let folder = shop();
    let daemon = start(&folder);
    let path = folder.path().join("route.yaml");
    fs::remove_file(&path).expect("removed");
    symlink("nowhere.yaml", &path).expect("a link");
    daemon.wait_for_status(HOST, "/", 404);
    folder.write("nowhere.yaml", route("one", HOST));
    daemon.wait_for_status(HOST, "/", 200);
}
