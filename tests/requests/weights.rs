//! Weighted backends.

use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route_to, service};
use std::collections::BTreeMap;

const HOST: &str = "www.example.com";

fn split(backends: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route_to("split", HOST, backends)),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
        ("three.yaml", service("three")),
    ])
}

/// The backend of each answer, or the status if it is not 200.
fn ask(daemon: &Daemon, requests: usize) -> Vec<String> {
    let mut client = daemon.connect();
    let mut one = || {
        let answer = client.get(HOST, "/", &[]).expect("an answer");
        if answer.status == 200 {
            answer.backend()
        } else {
            answer.status.to_string()
        }
    };
    (0..requests).map(|_| one()).collect()
}

fn counts(answers: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn any_1000_consecutive_requests_stay_within_one_percentage_point_of_the_weights() {
    let folder = split(
        "        - {name: one, port: 3000, weight: 13}
        - {name: two, port: 3000, weight: 30}
        - {name: three, port: 3000, weight: 57}\n",
    );
    let answers = ask(&Daemon::of(&folder).echo().start(), 1_500);
    for window in answers.windows(1_000) {
        let counts = counts(window);
        for (name, expected) in [("one", 130), ("two", 300), ("three", 570)] {
            let got = counts.get(name).copied().unwrap_or(0);
            assert!(
                got.abs_diff(expected) <= 10,
                "{name} got {got} of 1,000 requests instead of {expected}"
            );
        }
    }
}

#[test]
fn a_backend_with_weight_zero_gets_no_requests() {
    let folder = split(
        "        - {name: one, port: 3000, weight: 0}
        - {name: two, port: 3000}\n",
    );
    let answers = ask(&Daemon::of(&folder).echo().start(), 50);
    assert_eq!(counts(&answers), BTreeMap::from([("two", 50)]));
}

#[test]
fn answers_500_if_all_weights_are_zero() {
    let folder = split("        - {name: one, port: 3000, weight: 0}\n");
    let answers = ask(&Daemon::of(&folder).echo().start(), 3);
    assert_eq!(counts(&answers), BTreeMap::from([("500", 3)]));
}

#[test]
fn the_share_of_an_invalid_backend_answers_500() {
    let folder = split(
        "        - {name: one, port: 3000, weight: 3}
        - {name: one, port: 1, weight: 1}\n",
    );
    let answers = ask(&Daemon::of(&folder).echo().start(), 40);
    assert_eq!(counts(&answers), BTreeMap::from([("500", 10), ("one", 30)]));
}
