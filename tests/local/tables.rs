//! When `gatefold dev` prints its table, and what it prints besides.

use crate::support::dev::ClonedRepository;
use crate::support::eventually;
use std::fs;

#[test]
fn prints_the_table_again_when_an_edit_changes_it() {
    let clone = ClonedRepository::of("application");
    let mut dev = clone.dev(&[]);
    let is_moved = |line: &str| line.starts_with("https://notes.example.com/service");
    assert!(!dev.curl_lines().iter().any(|it| is_moved(&it.url)));
    clone.replace("k8s/httproute.yaml", "value: /api", "value: /service");
    let line = eventually("a table with the new path", || {
        let mut lines = dev.curl_lines().into_iter();
        lines.find(|it| is_moved(&it.url))
    });
    let answer = dev.run(&line).expect("an answer");
    assert_eq!(answer.service().as_deref(), Some("default/api"));
    let missing = dev.output().matches("MISSING FOR PRODUCTION").count();
    assert_eq!(missing, 1, "what is missing is printed once");
}

#[test]
fn names_what_is_missing_for_production() {
    let clone = ClonedRepository::of("flux-home");
    let mut dev = clone.dev(&[]);
    dev.curl_lines();
    let output = dev.output();
    for missing in ["network/wildcard-tls", "media/photos", "192.0.2.12"] {
        let (_, text) = output
            .split_once("MISSING FOR PRODUCTION")
            .expect("the list");
        assert!(text.contains(missing), "{missing} isn't in {text}");
    }
}

#[test]
fn says_at_every_start_that_protection_is_off() {
    let clone = ClonedRepository::of("envoy-gateway");
    let mut dev = clone.dev(&["--dev-allow-auth"]);
    dev.curl_lines();
    let said = format!("{}{}", dev.output(), dev.log());
    assert!(said.contains("--dev-allow-auth"), "{said}");
    assert!(said.contains("partner-login"), "{said}");
}

#[test]
fn asks_for_an_overlay_if_there_are_several() {
    let output = ClonedRepository::of("kustomize").check(&[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("--overlay"), "{text}");
}

/// As root, the process loses the capability that permits it. Some hosts permit every port to everybody.
#[test]
fn shifts_ports_that_it_may_not_bind() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first: u16 = first
        .ok()
        .and_then(|it| it.trim().parse().ok())
        .unwrap_or(1024);
    let clone = ClonedRepository::of("application");
    let mut dev = clone.dev_without_privileges(&[]);
    let lines = dev.curl_lines();
    let line = lines.iter().find(|it| it.url.starts_with("https://"));
    let line = line.expect("a line over HTTPS");
    let port = if first <= 443 { ":443 " } else { ":8443 " };
    assert!(line.text.contains(port), "{}", line.text);
    assert_eq!(dev.run(line).expect("an answer").status, 200);
}
