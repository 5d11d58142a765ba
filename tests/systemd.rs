//! The daemon under systemd, which the tests play: its sockets, its notifications, its unit.

use crate::support::repository;
use std::process::Command;

/// The exposure that `systemd-analyze security` may find at most; 10 is the worst.
const EXPOSURE: f32 = 2.0;

#[test]
fn the_unit_is_hardened() {
    let unit = repository("packaging/systemd/gatefold.service");
    let analyze = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(&unit)
        .output();
    let Ok(output) = analyze else {
        eprintln!("skipped: systemd-analyze isn't installed here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains("exposure level"));
    let exposure: f32 = line
        .and_then(|line| line.split(": ").nth(1)?.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("no figure in {output:?}"));
    assert!(exposure <= EXPOSURE, "{exposure} is too much:\n{text}");
}

#[test]
fn the_unit_has_no_mistakes() {
    let unit = repository("packaging/systemd/gatefold.service");
    let Ok(output) = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&unit)
        .output()
    else {
        eprintln!("skipped: systemd-analyze isn't installed here");
        return;
    };
    // What an older systemd doesn't know yet, and what isn't installed where the tests run.
    let known = [
        "notify-reload",
        "ImportCredential",
        "/usr/bin/gatefold",
        "man gatefold",
    ];
    let text = String::from_utf8_lossy(&output.stderr);
    let about_it = text.lines().filter(|line| line.contains("gatefold"));
    let mistakes: Vec<&str> = about_it
        .filter(|line| !known.iter().any(|known| line.contains(known)))
        .collect();
    assert_eq!(mistakes, Vec::<&str>::new());
}
