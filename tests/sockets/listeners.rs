//! Listeners that are added, removed and change their port while the daemon runs.

use crate::support::client;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway, gateway_named, gateway_with, route, service};
use std::net::TcpListener;

const HOST: &str = "www.example.com";

fn listener(name: &str, port: u16) -> String {
    format!("    - {{name: {name}, protocol: HTTP, port: {port}}}\n")
}

fn folder(listeners: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway_with(listeners)),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
    ])
}

fn serves(daemon: &Daemon, port: u16) -> bool {
    client::try_get(daemon.socket(port), HOST, "/").is_ok_and(|answer| answer.status == 200)
}

fn is_closed(daemon: &Daemon, port: u16) -> bool {
    client::Client::connect(daemon.socket(port)).is_err()
}

#[test]
fn a_listener_is_added_moved_and_removed_while_another_serves_on_one_connection() {
    let folder = folder(&listener("http", 80));
    let daemon = Daemon::of(&folder).port(81).port(82).echo().start();
    let mut kept = daemon.connect();
    let mut still_there = || {
        assert_eq!(
            kept.get(HOST, "/", &[]).expect("a kept connection").status,
            200
        )
    };
    still_there();
    assert!(is_closed(&daemon, 81), "port 81 must be closed at first");

    folder.write(
        "gateway.yaml",
        gateway_with(&(listener("http", 80) + &listener("second", 81))),
    );
    eventually("port 81 serves", || serves(&daemon, 81).then_some(()));
    still_there();

    folder.write(
        "gateway.yaml",
        gateway_with(&(listener("http", 80) + &listener("second", 82))),
    );
    eventually("port 82 serves", || serves(&daemon, 82).then_some(()));
    eventually("port 81 is closed", || is_closed(&daemon, 81).then_some(()));
    still_there();

    folder.write("gateway.yaml", gateway_with(&listener("http", 80)));
    eventually("port 82 is closed", || is_closed(&daemon, 82).then_some(()));
    still_there();
}

#[test]
fn a_port_in_use_is_a_condition_and_everything_else_is_served() {
    let folder = folder(&listener("http", 80));
    let daemon = Daemon::of(&folder).port(81).echo().start();
    let blocker = TcpListener::bind(daemon.socket(81)).expect("a socket on the same port");
    folder.write(
        "gateway.yaml",
        gateway_with(&(listener("http", 80) + &listener("blocked", 81))),
    );
    let status = eventually("the failure is reported", || {
        let object = daemon.object("gateways", "default", "edge");
        let blocked = object["status"]["listeners"]
            .as_array()?
            .iter()
            .find(|one| one["name"] == "blocked")?
            .clone();
        (condition(&blocked, "Programmed")["status"] == "False").then_some(blocked)
    });
    let programmed = condition(&status, "Programmed");
    let message = programmed["message"].as_str().expect("a message");
    assert!(
        message.contains(&daemon.socket(81).port().to_string()),
        "the message must contain the port: {message}"
    );
    assert_eq!(daemon.get(HOST, "/").status, 200, "port 80 must serve");

    drop(blocker);
    folder.write(
        "gateway.yaml",
        gateway_with(&(listener("http", 80) + &listener("free", 81))),
    );
    eventually("port 81 serves once it is free", || {
        serves(&daemon, 81).then_some(())
    });
}

#[test]
fn gateways_with_different_hostnames_share_a_port() {
    let named = |hostname: &str| {
        format!("    - {{name: http, protocol: HTTP, port: 80, hostname: {hostname}}}\n")
    };
    let folder = Folder::with([
        ("edge.yaml", gateway_with(&named(HOST))),
        (
            "other.yaml",
            gateway_named("other", &named("other.example.com")),
        ),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
        ("route.yaml", route("one", HOST)),
        (
            "route-2.yaml",
            route("two", "other.example.com").replace("- name: edge", "- name: other"),
        ),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").backend(), "one");
    assert_eq!(daemon.get("other.example.com", "/").backend(), "two");
}

#[test]
fn the_older_of_two_gateways_with_the_same_port_and_hostname_is_served() {
    let aged = |name: &str, time: &str| {
        gateway_named(name, &listener("http", 80)).replacen(
            "metadata:\n",
            &format!("metadata:\n  creationTimestamp: {time}\n"),
            1,
        )
    };
    let folder = Folder::with([
        ("class.yaml", gateway()),
        ("a-young.yaml", aged("a-young", "2024-05-01T00:00:00Z")),
        ("old.yaml", aged("old", "2024-01-01T00:00:00Z")),
        ("one.yaml", service("one")),
        (
            "route.yaml",
            route("one", HOST).replace("- name: edge", "- name: old"),
        ),
    ]);
    folder.replace("class.yaml", "port: 80", "port: 82");
    let daemon = Daemon::of(&folder).port(82).echo().start();
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "the older Gateway must serve"
    );
    let young = daemon.object("gateways", "default", "a-young");
    let conflicted = condition(&young["status"]["listeners"][0], "Conflicted");
    assert_eq!(conflicted["status"], "True", "{young:#}");
    let old = daemon.object("gateways", "default", "old");
    assert_eq!(
        condition(&old["status"]["listeners"][0], "Programmed")["status"],
        "True",
        "{old:#}"
    );
}

#[test]
fn a_deleted_gateway_frees_its_port() {
    let folder = folder(&listener("http", 80));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    folder.remove("gateway.yaml");
    eventually("port 80 is closed", || is_closed(&daemon, 80).then_some(()));
    let _free = TcpListener::bind(daemon.socket(80)).expect("the port is free");
}
