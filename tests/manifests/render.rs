//! `--render`: manifests that commands print.

use crate::support::daemon::{Daemon, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use std::path::Path;
use std::process::Output;

const HOST: &str = "www.example.com";
const OTHER: &str = "other.example.com";

/// A folder with a Gateway and a Service, to which a command adds a route.
fn without_route() -> Folder {
    Folder::with([("gateway.yaml", gateway()), ("one.yaml", service("one"))])
}

/// A folder that `--config-dir` doesn't include, with a route.
fn source() -> Folder {
    Folder::with([("route.txt", route("one", HOST))])
}

fn cat(source: &Folder) -> String {
    format!("cat '{}/route.txt'", source.path().display())
}

fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let output: Output = gatefold()
        .arg("check")
        .args(arguments)
        .output()
        .expect("gatefold runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text + &errors)
}

#[test]
fn check_loads_what_a_command_prints() {
    let (folder, source) = (without_route(), source());
    let path = folder.path().display().to_string();
    let (code, text) = check(&[&path, "--render", &cat(&source)]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("HTTPRoute") && text.contains(HOST), "{text}");
    // Without a folder.
    let all = format!("sed -s '1i---' '{path}'/*.yaml; echo ---; {}", cat(&source));
    let (code, text) = check(&["--render", &all]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains(HOST) && text.contains("1 file read"),
        "{text}"
    );
    let (code, _) = check(&["-", "--render", "true"]);
    assert_eq!(code, Some(2), "standard input can't be combined");
}

#[test]
fn check_shows_problems_in_the_output_and_in_its_source() {
    let folder = without_route();
    let path = folder.path().display().to_string();
    let broken = route("one", HOST).replace("hostnames:", "hostname:").replace(
        "metadata:",
        "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: ../base/route.yaml",
    );
    folder.write("broken.txt", &broken);
    let command = format!("cat '{path}/broken.txt'");
    let (code, text) = check(&[&path, "--render", &command]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("rendered from ../base/route.yaml"), "{text}");
    assert!(text.contains("hostname:"), "the excerpt is missing: {text}");
    let (_, text) = check(&[
        "--render",
        &format!("cd '{path}' && cat broken.txt; : {}", "x".repeat(99)),
    ]);
    assert!(text.contains("…>:11:3"), "the path is truncated: {text}");
}

#[test]
fn check_reports_a_command_that_fails() {
    for (command, expected) in [
        ("echo oh >&2; exit 3", ["ended with exit code 3", "oh"]),
        ("kill -TERM $$", ["ended by signal 15", ""]),
        ("echo oh >&2 | true", ["no manifest, only errors", "oh"]),
        ("printf '\\377'", ["GF0102", ""]),
        ("yes", ["printed more than 32 MiB", ""]),
    ] {
        let (code, text) = check(&["--render", command]);
        assert_eq!(code, Some(1), "{command}: {text}");
        for expected in expected {
            assert!(text.contains(expected), "{command}: {text}");
        }
    }
    let (code, text) = check(&["--render", "true"]);
    assert_eq!(code, Some(0), "printing nothing is valid: {text}");
    let (code, text) = check(&[
        "--render-timeout",
        "1",
        "--render",
        "sleep 1000 | sleep 1000",
    ]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("took longer than 1 s"), "{text}");
}

#[test]
fn serves_what_a_command_prints_and_runs_it_again_when_files_change() {
    let (folder, source) = (without_route(), source());
    let daemon = Daemon::of(&folder)
        .echo()
        .arg("--render")
        .arg(cat(&source))
        .arg("--render-watch")
        .arg(source.path().display().to_string())
        .start();
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "ready after the first run"
    );
    source.write("route.txt", route("one", OTHER));
    daemon.wait_for_status(OTHER, "/", 200);
    assert_eq!(daemon.get(HOST, "/").status, 404);
    source.remove("route.txt");
    let found = daemon.wait_for_diagnostic("GF0703");
    assert!(found["notes"].to_string().contains("route.txt"), "{found}");
    assert!(
        found["notes"].to_string().contains("stays in force"),
        "{found}"
    );
    assert_eq!(daemon.get(OTHER, "/").status, 200, "the last good output");
    source.write(
        "route.txt",
        route("one", OTHER).replace("hostnames:", "hostname:"),
    );
    daemon.wait_for_diagnostic("GF0201");
    assert_eq!(daemon.get(OTHER, "/").status, 200, "the last good object");
    source.write("route.txt", route("one", HOST));
    daemon.wait_for_status(HOST, "/", 200);
    // Two runs in a row that print nothing remove the route.
    source.write("route.txt", "");
    daemon.wait_for_status(HOST, "/", 404);
}

#[test]
fn a_path_to_watch_that_does_not_exist_is_wrong_usage() {
    let output = gatefold()
        .args(["run", "--render", "true", "--render-watch", "not-a-folder"])
        .output()
        .expect("gatefold runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let none = gatefold().arg("run").output().expect("gatefold runs");
    assert_eq!(
        none.status.code(),
        Some(2),
        "neither a folder nor a command"
    );
}

/// Whether a process whose id is in a file has ended.
fn has_ended(file: &Path) -> Option<()> {
    let id = std::fs::read_to_string(file).ok()?;
    let id: u32 = id.trim().parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // A zombie has ended, too: its new parent may take a moment to notice.
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
    state
        .is_none_or(|state| state.starts_with('Z'))
        .then_some(())
}

#[test]
fn a_slow_command_delays_no_other_file_and_ends_with_gatefold() {
    let (folder, source) = (without_route(), source());
    let slow = format!(
        "if [ -e slow ]; then sleep 1000 & echo $! > child; echo $$ > shell; wait; else {}; fi",
        cat(&source)
    );
    let daemon = Daemon::of(&folder).echo().arg("--render").arg(slow).start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let at = |name: &str| daemon.scratch().join(name);
    std::fs::write(at("slow"), "").expect("written");
    daemon.signal("HUP");
    eventually("the command runs", || at("shell").exists().then_some(()));
    folder.write(
        "other.yaml",
        route("one", OTHER).replace("name: one\nspec", "name: two\nspec"),
    );
    daemon.wait_for_status(OTHER, "/", 200);
    assert_eq!(daemon.get(HOST, "/").status, 200, "its last good output");
    let (shell, child) = (at("shell"), at("child"));
    daemon.signal("TERM");
    eventually("the shell has ended", || has_ended(&shell));
    eventually("its child has ended", || has_ended(&child));
    assert!(daemon.ended().success());
}

#[test]
fn a_command_that_never_ends_is_killed_with_its_children() {
    let folder = without_route();
    folder.write("route.yaml", route("one", HOST));
    let daemon = Daemon::of(&folder)
        .echo()
        .arg("--render-timeout")
        .arg("1")
        .arg("--render")
        .arg("sleep 1000 & echo $! > child; wait")
        .start();
    let found = daemon.wait_for_diagnostic("GF0703");
    assert!(
        found["message"].to_string().contains("took longer"),
        "{found}"
    );
    assert_eq!(daemon.get(HOST, "/").status, 200, "the folder is served");
    let child = daemon.scratch().join("child");
    eventually("the child has ended", || has_ended(&child));
}
