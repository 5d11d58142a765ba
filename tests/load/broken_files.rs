//! A process that writes broken files continuously.

use super::generations::NumberedGenerations;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use std::fs::{self, File};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// How long the process writes.
const TIME: Duration = Duration::from_secs(60);
/// Pause between two files.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause between two requests of a client. It is long, because the test takes a minute.
const PACE: Duration = Duration::from_millis(50);
/// Memory is compared from this time on, since allocators need a while to reach their working size.
const WARM: Duration = Duration::from_secs(15);
/// Maximum growth of the memory in MiB.
const GROWTH: usize = 24;

/// The contents of a broken file, made from the manifests of a generation.
fn broken(turn: usize, good: &str) -> Vec<u8> {
    let half = &good[..good.len() / 2];
    match turn % 8 {
        // Truncated YAML may be valid, so this adds an error.
        0 => format!("{half}\n: [").into_bytes(),
        1 => good.replace("rules:", "rules: [").into_bytes(),
        2 => good.replace("kind:", "kind").into_bytes(),
        3 => vec![0xff; 4096],
        4 => good.replace("name:", "\tname:").into_bytes(),
        5 => "[".repeat(20_000).into_bytes(),
        6 => good
            .replace("port: 3000", "port: many")
            .replace("default", "&a *b")
            .into_bytes(),
        _ => format!("{good}\n---\n{{unfinished {turn}").into_bytes(),
    }
}

/// Writes a broken file: the one that all traffic depends on, a new one, or one that stays open.
fn write_broken(folder: &Folder, open: &mut File, turn: usize, text: &[u8]) {
    match turn % 4 {
        0 => folder.overwrite("generation.yaml", text),
        1 => folder.write("generation.yaml", text),
        2 => folder.overwrite(&format!("new-{}.yaml", turn % 16), text),
        _ => open
            .write_all(&text[..text.len().min(100)])
            .expect("some bytes"),
    }
    if turn.is_multiple_of(64) {
        *open = File::create(folder.path().join("half.yaml")).expect("a file");
    }
}

#[test]
fn a_minute_of_broken_files_affects_neither_traffic_nor_memory() {
    let generations = NumberedGenerations::new();
    let good = generations.manifests(0);
    let daemon = Daemon::of(&generations.folder).start();
    let load = generations
        .plan(&daemon)
        .every_kind()
        .pace(PACE)
        .start(generations.judge());
    let path = |name: &str| generations.folder.path().join(name);
    let began = Instant::now();
    let mut warm = None;
    // This file is half-written and stays open. Loading must not wait for it.
    let mut open = File::create(path("half.yaml")).expect("a file");
    for turn in 0.. {
        if began.elapsed() >= TIME {
            break;
        }
        let text = broken(turn, &good);
        load.changed(format!("broken file {turn}"));
        write_broken(&generations.folder, &mut open, turn, &text);
        if began.elapsed() > WARM && warm.is_none() {
            warm = Some(daemon.memory());
        }
        load.check();
        thread::sleep(PAUSE);
    }
    let (before, after) = (warm.unwrap_or_default(), daemon.memory());
    println!("{before} MiB, then {after} MiB\n{}", load.report());
    assert!(
        after <= before + GROWTH,
        "memory grew from {before} MiB to {after} MiB"
    );

    // A valid file ends the failure.
    fs::remove_file(path("half.yaml")).expect("the file removed");
    let next = generations.write_next(&load);
    generations.wait_for(next, &mut daemon.connect());
    load.finish();
}
