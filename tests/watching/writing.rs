//! Files that are written, renamed and removed.

use super::{HOST, NEW, new, other, shell, shop, start, wait_for_backend};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

/// How long the daemon waits for a missing file, and for an incomplete one, before it loads that state.
const GONE: Duration = Duration::from_millis(50);
const HALF: Duration = Duration::from_secs(2);

#[test]
fn serves_writes_in_place_and_renames_into_place() {
    let folder = shop();
    let daemon = start(&folder);
    folder.overwrite("route.yaml", other());
    wait_for_backend(&daemon, "two");
    folder.write("route.yaml", route("one", HOST));
    wait_for_backend(&daemon, "one");
    shell(
        folder.path(),
        "sed -i 's/name: one, port/name: two, port/' route.yaml",
    );
    wait_for_backend(&daemon, "two");
    shell(
        folder.path(),
        "echo '# a comment' >> route.yaml; mv route.yaml moved.yaml; rm moved.yaml",
    );
    daemon.wait_for_status(HOST, "/", 404);
}

/// Saves like vim with its default settings: tests whether it may write, renames the old file, and writes a new one. The
/// file is missing for a short time, but the route must stay in force.
#[test]
fn a_save_of_an_editor_never_removes_the_route() {
    let folder = shop();
    let daemon = start(&folder);
    let at = |name: &str| folder.path().join(name);
    let mut short = 0;
    for turn in 0..20 {
        let (text, backend) = match turn % 2 {
            0 => (other(), "two"),
            _ => (route("one", HOST), "one"),
        };
        fs::write(at("4913"), "").expect("written");
        fs::remove_file(at("4913")).expect("removed");
        fs::write(at(".route.yaml.swp"), "swap").expect("written");
        let began = Instant::now();
        fs::rename(at("route.yaml"), at("route.yaml~")).expect("renamed");
        let away = daemon.get(HOST, "/").status;
        fs::write(at("route.yaml"), text).expect("written");
        // On a busy machine, the file may be missing for longer than the daemon waits.
        let is_short = began.elapsed() < GONE;
        fs::remove_file(at("route.yaml~")).expect("removed");
        fs::remove_file(at(".route.yaml.swp")).expect("removed");
        eventually("the save is served", || {
            let answer = daemon.get(HOST, "/");
            assert!(
                answer.status == 200 || !is_short,
                "the route must stay in force"
            );
            (answer.status == 200 && answer.backend() == backend).then_some(())
        });
        assert!(
            away == 200 || !is_short,
            "the route must stay in force while the file is missing"
        );
        short += usize::from(is_short);
    }
    assert!(
        short > 0,
        "the file was never missing for a short time only"
    );
}

/// Emacs marks a file that is being edited with a dangling link.
#[test]
fn ignores_the_lock_file_of_an_editor() {
    let folder = shop();
    let daemon = start(&folder);
    let lock = folder.path().join(".#route.yaml");
    symlink("me@example.com.4242:1700000000", &lock).expect("a link");
    folder.write("#route.yaml#", "not: [yaml");
    folder.write("route.yaml~", "not: [yaml");
    folder.write("route.yaml", other());
    wait_for_backend(&daemon, "two");
    fs::remove_file(&lock).expect("removed");
    folder.write("route.yaml", route("one", HOST));
    wait_for_backend(&daemon, "one");
    let status = daemon.admin_json("/status");
    assert_eq!(status["reloads"]["partial"], 0, "{status:#}");
}

#[test]
fn loads_a_file_only_when_its_writer_has_finished() {
    let folder = shop();
    let daemon = start(&folder);
    // The first half is a valid but different route.
    let text = format!(
        "{}---\n{}",
        route("one", "half.example.com"),
        other().replace("name: one\n", "name: rest\n")
    );
    let (first, rest) = text.split_at(text.find("---").expect("two documents"));
    eventually(
        "the writer pauses for less time than the daemon waits",
        || {
            folder.write("route.yaml", route("one", HOST));
            folder.write("new.yaml", "# nothing yet\n");
            wait_for_backend(&daemon, "one");
            daemon.wait_for_status(NEW, "/", 404);
            let began = Instant::now();
            let mut file = File::create(folder.path().join("route.yaml")).expect("opened");
            file.write_all(first.as_bytes()).expect("half of it");
            // Meanwhile, complete files are loaded.
            folder.write("new.yaml", new());
            daemon.wait_for_status(NEW, "/", 200);
            let (last, half) = (daemon.get(HOST, "/"), daemon.get("half.example.com", "/"));
            let in_time = began.elapsed() < HALF;
            file.write_all(rest.as_bytes()).expect("the rest");
            drop(file);
            wait_for_backend(&daemon, "two");
            assert_eq!(daemon.get("half.example.com", "/").status, 200);
            in_time.then(|| {
                assert_eq!(last.backend(), "one", "last good");
                assert_eq!(half.status, 404, "half of the file must not be loaded");
            })
        },
    );
}

#[test]
fn loads_a_file_that_is_never_closed() {
    let folder = shop();
    let daemon = start(&folder);
    let mut file = File::create(folder.path().join("route.yaml")).expect("opened");
    file.write_all(other().as_bytes()).expect("all of it");
    wait_for_backend(&daemon, "two");
    drop(file);
}

/// On a busy host the files appear slowly, and a reload must not wait for a burst that may be over. So the limit is only a tenth of the
/// files; a quiet host needs about twenty reloads.
#[test]
fn loads_a_burst_of_5000_files_with_few_reloads() {
    let folder = shop();
    let daemon = start(&folder);
    let burst = folder.path().join("burst");
    fs::create_dir(&burst).expect("a folder");
    for number in 0..5_000 {
        fs::write(
            burst.join(format!("{number}.yaml")),
            service(&format!("burst-{number}")),
        )
        .expect("written");
    }
    let services = |count: u64| {
        daemon.wait_for_summary(&format!("{count} Services"), |status| {
            let reloads = status["reloads"]["success"].as_u64()?;
            (status["counts"]["services"] == count).then_some(reloads)
        })
    };
    let reloads = services(5_002);
    assert!(reloads < 500, "{reloads} reloads");
    folder.write("route.yaml", other());
    wait_for_backend(&daemon, "two");
    fs::remove_dir_all(&burst).expect("removed");
    let more = services(2) - reloads;
    assert!(more < 500, "{more} reloads");
}

#[test]
fn watches_a_single_file_with_any_name() {
    let folder = Folder::new();
    let text = format!(
        "{}---\n{}---\n{}---\n{}",
        gateway(),
        service("one"),
        service("two"),
        route("one", HOST)
    );
    folder.write("all.txt", &text);
    let elsewhere = Folder::new();
    let file = folder.path().join("all.txt");
    let daemon = Daemon::of(&elsewhere)
        .arg(file.to_string_lossy())
        .echo()
        .start();
    wait_for_backend(&daemon, "one");
    let other = text.replace("name: one, port", "name: two, port");
    folder.write("all.txt", &other);
    wait_for_backend(&daemon, "two");
    folder.overwrite("all.txt", &text);
    wait_for_backend(&daemon, "one");
    folder.remove("all.txt");
    folder.write("all.txt", &other);
    wait_for_backend(&daemon, "two");
}

/// Its objects are never duplicated and never missing.
#[test]
fn a_renamed_manifest_stays_one_manifest() {
    let folder = shop();
    let daemon = start(&folder);
    let (from, to) = (
        folder.path().join("route.yaml"),
        folder.path().join("moved.yaml"),
    );
    for turn in 1..=10 {
        let (from, to) = match turn % 2 {
            1 => (&from, &to),
            _ => (&to, &from),
        };
        fs::rename(from, to).expect("renamed");
        let reloads = |status: &Value| {
            let seen = status["generation"]["seen"].as_u64()?;
            (seen > turn).then_some(())
        };
        daemon.wait_for_summary("the new name", reloads);
        assert_eq!(daemon.get(HOST, "/").status, 200);
    }
    let status = daemon.admin_json("/status");
    assert_eq!(status["reloads"]["partial"], 0, "{status:#}");
}
