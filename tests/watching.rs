//! Whatever happens to the folder, its final state is what is served.
//!
//! Each test runs with the system's events and, where it makes a difference, with `--poll` as well, which is what
//! is left where there are none: bind mounts of virtual machines, network file systems.

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const HOST: &str = "www.example.com";
const NEW: &str = "new.example.com";

/// What most tests begin with: a Gateway, a Service, a route for [`HOST`].
fn shop() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
        ("route.yaml", route("one", HOST)),
    ])
}

fn start(folder: &Folder) -> Daemon {
    let daemon = Daemon::of(folder).echo().start();
    daemon.wait_for_status(HOST, "/", 200);
    daemon
}

/// The route for [`HOST`] with the other backend.
fn other() -> String {
    route("one", HOST).replace("name: one, port", "name: two, port")
}

/// A route for [`NEW`].
fn new() -> String {
    route("new", NEW).replace("name: new, port", "name: two, port")
}

#[track_caller]
fn wait_for_backend(daemon: &Daemon, name: &str) {
    eventually(&format!("{name} answers"), || {
        let answer = daemon.try_get(HOST, "/").ok()?;
        (answer.status == 200 && answer.backend() == name).then_some(())
    });
}

/// Runs a shell script in the folder, as people do.
#[track_caller]
fn shell(folder: &Path, script: &str) {
    let status = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder)
        .status();
    assert!(status.expect("a shell").success(), "{script}");
}

/// A file that is written elsewhere on the same file system.
fn beside(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let outside = folder.path().with_extension("outside");
    fs::create_dir_all(&outside).expect("a folder beside");
    let path = outside.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder beside");
    fs::write(&path, text).expect("written");
    path
}

/// Removes what [`beside`] made.
struct Beside(PathBuf);

impl Beside {
    fn of(folder: &Folder) -> Self {
        Beside(folder.path().with_extension("outside"))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn writes_in_place_and_renames_into_place_are_served() {
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

/// What vim does with its default settings: it tries whether it may write, moves the old file away, and writes a
/// new one. For a moment there is no file, and still there must always be a route.
#[test]
fn an_editors_save_never_takes_the_route_away() {
    let folder = shop();
    let daemon = start(&folder);
    let at = |name: &str| folder.path().join(name);
    for turn in 0..20 {
        let (text, backend) = match turn % 2 {
            0 => (other(), "two"),
            _ => (route("one", HOST), "one"),
        };
        fs::write(at("4913"), "").expect("written");
        fs::remove_file(at("4913")).expect("removed");
        fs::write(at(".route.yaml.swp"), "swap").expect("written");
        fs::rename(at("route.yaml"), at("route.yaml~")).expect("renamed");
        assert_eq!(daemon.get(HOST, "/").status, 200, "while the file is away");
        fs::write(at("route.yaml"), text).expect("written");
        fs::remove_file(at("route.yaml~")).expect("removed");
        fs::remove_file(at(".route.yaml.swp")).expect("removed");
        eventually("the save is served", || {
            let answer = daemon.get(HOST, "/");
            assert_eq!(answer.status, 200, "there is always a route");
            (answer.backend() == backend).then_some(())
        });
    }
}

/// Emacs marks a file that is being edited with a link that leads nowhere.
#[test]
fn an_editors_lock_is_no_manifest() {
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
fn new_folders_are_served_with_all_that_is_in_them_and_all_that_comes_later() {
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
fn a_folder_that_is_moved_in_or_away_or_made_again_is_followed() {
    let folder = shop();
    let _beside = Beside::of(&folder);
    let daemon = start(&folder);
    let outside = beside(&folder, "team/route.yaml", &new());
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
        fs::create_dir(&inside).expect("made");
        fs::write(inside.join("route.yaml"), new()).expect("written");
        daemon.wait_for_status(NEW, "/", 200);
        fs::remove_dir_all(&inside).expect("removed");
        daemon.wait_for_status(NEW, "/", 404);
    }
}

#[test]
fn the_folder_itself_may_be_removed_and_made_again() {
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
        eventually("it is missed", || {
            let status = daemon.admin_json("/status");
            status["diagnostics"]
                .as_array()?
                .iter()
                .find(|one| one["code"] == "GF0101")?;
            Some(())
        });
        assert_eq!(daemon.get(NEW, "/").status, 200, "what was last good stays");
        fs::create_dir(&root).expect("made again");
        for name in ["gateway.yaml", "two.yaml"] {
            fs::copy(away.join(name), root.join(name)).expect("copied");
        }
        daemon.wait_for_status(NEW, "/", 404);
        // In the new folder, too, changes are noticed.
        fs::write(root.join("new.yaml"), new()).expect("written");
        daemon.wait_for_status(NEW, "/", 200);
        fs::remove_dir_all(&away).expect("removed");
    }
}

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

#[test]
fn a_burst_of_5000_files_ends_in_its_final_state_with_few_reloads() {
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
    assert!(reloads < 100, "{reloads} reloads");
    folder.write("route.yaml", other());
    wait_for_backend(&daemon, "two");
    fs::remove_dir_all(&burst).expect("removed");
    let more = services(2) - reloads;
    assert!(more < 100, "{more} reloads");
}

#[test]
fn a_writer_that_stops_half_way_changes_nothing_until_it_is_done() {
    let folder = shop();
    let daemon = start(&folder);
    // The first half is a route by itself, but not the one that is meant.
    let text = format!(
        "{}---\n{}",
        route("one", "half.example.com"),
        other().replace("name: one\n", "name: rest\n")
    );
    let half = text.find("---").expect("two documents");
    let mut file = File::create(folder.path().join("route.yaml")).expect("opened");
    file.write_all(&text.as_bytes()[..half])
        .expect("half of it");
    // What is complete is served meanwhile.
    folder.write("new.yaml", new());
    daemon.wait_for_status(NEW, "/", 200);
    assert_eq!(daemon.get(HOST, "/").backend(), "one", "last good");
    assert_eq!(
        daemon.get("half.example.com", "/").status,
        404,
        "half of a file"
    );
    file.write_all(&text.as_bytes()[half..]).expect("the rest");
    drop(file);
    wait_for_backend(&daemon, "two");
    assert_eq!(daemon.get("half.example.com", "/").status, 200);
}

#[test]
fn a_writer_that_never_closes_its_file_is_not_waited_for_for_ever() {
    let folder = shop();
    let daemon = start(&folder);
    let mut file = File::create(folder.path().join("route.yaml")).expect("opened");
    file.write_all(other().as_bytes()).expect("all of it");
    wait_for_backend(&daemon, "two");
    drop(file);
}

#[test]
fn without_events_everything_is_found_by_looking() {
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
fn without_events_a_file_that_is_being_written_is_left_alone() {
    let folder = shop();
    let daemon = Daemon::of(&folder).arg("--poll").echo().start();
    wait_for_backend(&daemon, "one");
    // Somebody writes on and on, longer than it takes to look; most of the time the file is incomplete.
    let text = other();
    let end = std::time::Instant::now() + std::time::Duration::from_millis(2_500);
    let mut file = File::create(folder.path().join("route.yaml")).expect("opened");
    while std::time::Instant::now() < end {
        writeln!(file, "# and on").expect("written");
        assert_eq!(daemon.get(HOST, "/").backend(), "one", "half of a file");
    }
    file.write_all(text.as_bytes()).expect("the rest");
    drop(file);
    wait_for_backend(&daemon, "two");
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

#[test]
fn a_single_file_may_be_watched_under_any_name() {
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
