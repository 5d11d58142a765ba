//! Changes that are found by scanning, without events.

use super::{HOST, NEW, new, other, shop, wait_for_backend};
use crate::support::daemon::Daemon;
use crate::support::manifests::route;
use std::fs::{self, File};
use std::io::Write as _;

#[test]
fn finds_all_changes_without_events() {
    let folder = shop();
    let daemon = Daemon::of(&folder).arg("--poll").echo().start();
    wait_for_backend(&daemon, "one");
    folder.overwrite("route.yaml", other());
    wait_for_backend(&daemon, "two");
    folder.write("route.yaml", route("one", HOST));
    wait_for_backend(&daemon, "one");
    folder.write("team/new.yaml", new());
    daemon.wait_for_status(NEW, "/", 200);
    fs::rename(folder.path().join("team"), folder.path().join(".team")).expect("renamed");
    daemon.wait_for_status(NEW, "/", 404);
    folder.replace("route.yaml", "rules:", "rules: [broken");
    daemon.wait_for_diagnostic("GF0104");
    assert_eq!(daemon.get(HOST, "/").backend(), "one", "last good");
}

#[test]
fn ignores_a_file_that_is_being_written_without_events() {
    let folder = shop();
    let daemon = Daemon::of(&folder).arg("--poll").echo().start();
    wait_for_backend(&daemon, "one");
    // A process writes for longer than the scan interval. Most of the time the file is incomplete.
    let text = other();
    let end = std::time::Instant::now() + std::time::Duration::from_millis(2_500);
    let mut file = File::create(folder.path().join("route.yaml")).expect("opened");
    while std::time::Instant::now() < end {
        writeln!(file, "# more").expect("written");
        assert_eq!(daemon.get(HOST, "/").backend(), "one", "half of a file");
    }
    file.write_all(text.as_bytes()).expect("the rest");
    drop(file);
    wait_for_backend(&daemon, "two");
}
