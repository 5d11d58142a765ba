//! Folders that are added, removed, moved and replaced.

use super::{NEW, OutsideFolder, new, shop, start, write_outside};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, service};
use std::fs;

#[test]
fn new_folders_are_served_with_all_current_and_later_files() {
    let folder = shop();
    let daemon = start(&folder);
    for depth in ["a", "a/b/c", "d/e"] {
        let host = format!("{}.example.com", depth.replace('/', "-"));
        let name = depth.replace('/', "-");
        let text = new()
            .replace(NEW, &host)
            .replace("name: new\n", &format!("name: {name}\n"));
        let path = folder.path().join(depth);
        fs::create_dir_all(&path).expect("folders");
        fs::write(path.join("route.yaml"), &text).expect("written");
        daemon.wait_for_status(&host, "/", 200);
        fs::write(
            path.join("route.yaml"),
            text.replace("kind: HTTPRoute", "kind: Later"),
        )
        .expect("written");
        daemon.wait_for_status(&host, "/", 404);
    }
}

#[test]
fn follows_a_folder_that_is_moved_in_or_away_or_recreated() {
    let folder = shop();
    let _outside = OutsideFolder::of(&folder);
    let daemon = start(&folder);
    let outside = write_outside(&folder, "team/route.yaml", &new());
    let team = outside.parent().expect("a folder");
    let inside = folder.path().join("team");
    for _ in 0..3 {
        fs::rename(team, &inside).expect("moved in");
        daemon.wait_for_status(NEW, "/", 200);
        fs::rename(&inside, folder.path().join("renamed")).expect("moved within");
        fs::rename(folder.path().join("renamed"), team).expect("moved away");
        daemon.wait_for_status(NEW, "/", 404);
    }
    for _ in 0..3 {
        fs::create_dir(&inside).expect("created");
        fs::write(inside.join("route.yaml"), new()).expect("written");
        daemon.wait_for_status(NEW, "/", 200);
        fs::remove_dir_all(&inside).expect("removed");
        daemon.wait_for_status(NEW, "/", 404);
    }
}

#[test]
fn the_watched_folder_may_be_removed_and_recreated() {
    let parent = Folder::new();
    let root = parent.path().join("manifests");
    fs::create_dir(&root).expect("a folder");
    for (name, text) in [
        ("gateway.yaml", gateway()),
        ("two.yaml", service("two")),
        ("new.yaml", new()),
    ] {
        fs::write(root.join(name), text).expect("written");
    }
    let elsewhere = Folder::new();
    let daemon = Daemon::of(&elsewhere)
        .arg(root.to_string_lossy())
        .echo()
        .start();
    daemon.wait_for_status(NEW, "/", 200);
    for _ in 0..2 {
        let away = parent.path().join("away");
        fs::rename(&root, &away).expect("moved away");
        eventually("the missing folder is reported", || {
            let status = daemon.admin_json("/status");
            status["diagnostics"]
                .as_array()?
                .iter()
                .find(|one| one["code"] == "GF0101")?;
            Some(())
        });
        assert_eq!(
            daemon.get(NEW, "/").status,
            200,
            "the last good objects must stay in force"
        );
        fs::create_dir(&root).expect("created again");
        for name in ["gateway.yaml", "two.yaml"] {
            fs::copy(away.join(name), root.join(name)).expect("copied");
        }
        daemon.wait_for_status(NEW, "/", 404);
        // Changes in the new folder are noticed, too.
        fs::write(root.join("new.yaml"), new()).expect("written");
        daemon.wait_for_status(NEW, "/", 200);
        fs::remove_dir_all(&away).expect("removed");
    }
}
