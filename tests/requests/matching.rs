//! Which rule matches a request, and how requests for broken rules are answered.

use crate::support::client::{Client, Response};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{
    condition, gateway, gateway_with, route, route_with_rules, service,
};

const HOST: &str = "www.example.com";

/// Starts a daemon whose route `one` has these rules, as lines of YAML, with the built-in backends `one` and `two`.
fn daemon_with_rules(rules: &str) -> (Folder, Daemon) {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route_with_rules("one", HOST, rules)),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    (folder, daemon)
}

fn ask(daemon: &Daemon, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(daemon.socket(80)).expect("a connection");
    let answer = client.send("GET", HOST, path, headers, b"");
    answer.expect("an answer")
}

#[test]
fn precedence_depends_on_the_hostnames_as_written_in_routes() {
    for (listener, older, newer, host) in [
        (
            "*.foo.example",
            "*.example",
            "*.foo.example",
            "a.foo.example",
        ),
        (
            "abc.example.com",
            "*.example.com",
            "abc.example.com",
            "abc.example.com",
        ),
        ("*.example.com", "*.com", "*.example.com", "abc.example.com"),
        (
            "abc.example.com",
            "*.com",
            "*.example.com",
            "abc.example.com",
        ),
    ] {
        newer_route_takes_precedence(listener, older, newer, host);
    }
}

/// Two routes match a request, and the newer one has the more specific hostname.
#[track_caller]
fn newer_route_takes_precedence(listener: &str, older: &str, newer: &str, host: &str) {
    let listeners =
        format!("    - {{name: http, protocol: HTTP, port: 80, hostname: '{listener}'}}\n");
    let aged = |name: &str, hostname: &str, year: u32| {
        let text = route(name, &format!("'{hostname}'"));
        let age = format!("  name: {name}\n  creationTimestamp: {year}-01-01T00:00:00Z\n");
        text.replacen(&format!("  name: {name}\n"), &age, 1)
    };
    // The hostname takes precedence over a more specific path.
    let matches = "      matches: [{path: {value: /path/prefix}}]\n";
    let folder = Folder::with([
        ("gateway.yaml", gateway_with(&listeners)),
        ("older.yaml", aged("older", older, 2020) + matches),
        ("newer.yaml", aged("newer", newer, 2024)),
        (
            "services.yaml",
            service("older") + "---\n" + &service("newer"),
        ),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    let answer = daemon.get(host, "/path/prefix/longer");
    assert_eq!(answer.backend(), "newer", "{listener}: {older}, {newer}");
    folder.write(
        "newer.yaml",
        aged("newer", newer, 2024) + "      matches: [{path: {value: /other}}]\n",
    );
    eventually(
        "the older route serves what the newer one does not match",
        || {
            let answer = daemon.get(host, "/path/prefix/longer");
            (answer.backend() == "older").then_some(())
        },
    );
}

#[test]
fn a_broken_header_expression_answers_500_to_requests_with_the_header() {
    let (_folder, daemon) = daemon_with_rules(
        "    - matches: [{path: {value: /admin}, headers: [{type: RegularExpression, name: role, value: '(root'}]}]
      backendRefs: [{name: two, port: 3000}]
    - matches: [{queryParams: [{type: RegularExpression, name: q, value: '[a'}]}]
      backendRefs: [{name: two, port: 3000}]
    - backendRefs: [{name: one, port: 3000}]
",
    );
    for (path, headers, status) in [
        ("/admin/x", &[("Role", "root")][..], 500),
        ("/admin/x", &[("Role", "other")], 500),
        ("/admin/x", &[], 200),
        ("/other", &[("Role", "root")], 200),
        ("/other?q=1", &[], 500),
        ("/other?p=1", &[], 200),
    ] {
        let answer = ask(&daemon, path, headers);
        assert_eq!(answer.status, status, "{path} {headers:?}");
    }
    let object = daemon.object("httproutes", "default", "one");
    let dropped = condition(&object["status"]["parents"][0], "PartiallyInvalid");
    let message = dropped["message"].as_str().expect("a message");
    assert!(
        message.starts_with("Dropped Rule(s): rules[0] answers 500: "),
        "{message}"
    );
    assert!(message.contains("; rules[1] answers 500: "), "{message}");
}

#[test]
fn the_condition_reports_a_rule_with_a_broken_path_expression_as_left_out() {
    let (_folder, daemon) = daemon_with_rules(
        "    - matches: [{path: {type: RegularExpression, value: '/(admin'}}]
      backendRefs: [{name: two, port: 3000}]
    - matches: [{path: {value: /good}}, {path: {type: RegularExpression, value: '/(b'}}]
      backendRefs: [{name: two, port: 3000}]
    - backendRefs: [{name: one, port: 3000}]
",
    );
    assert_eq!(ask(&daemon, "/admin", &[]).backend(), "one");
    assert_eq!(ask(&daemon, "/good", &[]).status, 500);
    let object = daemon.object("httproutes", "default", "one");
    let dropped = condition(&object["status"]["parents"][0], "PartiallyInvalid");
    let message = dropped["message"].as_str().expect("a message");
    for part in [
        "Dropped Rule(s): rules[0] is left out, other rules receive its requests: ",
        "; rules[1] answers 500, but matches[1] is left out, other rules receive its requests: ",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    daemon.wait_for_diagnostic("GF0510");
}

#[test]
fn a_broken_path_expression_in_a_protected_rule_opens_no_path() {
    let protected = "    - name: admin
      matches: [{path: {type: RegularExpression, value: '/(admin|private/.*'}}]
      backendRefs: [{name: two, port: 3000}]
    - matches: [{path: {type: RegularExpression, value: '/[a-z/]+'}}]
      backendRefs: [{name: one, port: 3000}]
    - backendRefs: [{name: one, port: 3000}]
";
    let policy = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: login}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: one, sectionName: admin}]
  authorization: {rules: [{action: Allow, cel: 'true'}]}
";
    let (folder, daemon) = daemon_with_rules(protected);
    assert_eq!(ask(&daemon, "/admin", &[]).backend(), "one");
    folder.write("policy.yaml", policy);
    daemon.wait_for_status(HOST, "/admin", 500);
    // Statuses are published after the snapshot.
    eventually("the condition reports the match", || {
        let object = daemon.object("httproutes", "default", "one");
        let dropped = condition(&object["status"]["parents"][0], "PartiallyInvalid");
        let message = dropped["message"].as_str()?;
        let part = "rules[0] answers 500, matches[0] at every path: ";
        message.contains(part).then_some(())
    });
    folder.remove("policy.yaml");
    daemon.wait_for_status(HOST, "/admin", 200);

    let filter = "      filters: [{type: ExtensionRef, extensionRef: {group: example.com, kind: Login, name: login}}]\n";
    let with_filter = protected.replacen(
        "      backendRefs",
        &format!("{filter}      backendRefs"),
        1,
    );
    let (_folder, daemon) = daemon_with_rules(&with_filter);
    assert_eq!(ask(&daemon, "/admin", &[]).status, 500);
}

#[test]
fn header_values_may_contain_any_character_that_can_be_sent() {
    let policy = "default-src 'self';  img-src *";
    let (_folder, daemon) = daemon_with_rules(
        "    - matches:
        - {path: {value: /spaces}, headers: [{name: policy, value: \"a;  b\"}]}
        - {path: {value: /utf8}, headers: [{name: policy, value: \"über\"}]}
        - {path: {value: /regex}, headers: [{type: RegularExpression, name: policy, value: '(a  b|c d )+'}]}
      filters:
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-utf8, value: \"über \"}]}}
      - type: ResponseHeaderModifier
        responseHeaderModifier: {add: [{name: content-security-policy, value: \"default-src 'self';  img-src *\"}]}
      backendRefs: [{name: two, port: 3000}]
    - backendRefs: [{name: one, port: 3000}]
",
    );
    for (path, value) in [
        ("/spaces", "a;  b"),
        ("/utf8", "über"),
        ("/regex", "c d a  b"),
    ] {
        let answer = ask(&daemon, path, &[("Policy", value)]);
        assert_eq!(answer.backend(), "two", "{path}");
        assert_eq!(answer.header("content-security-policy"), Some(policy));
        let sent = &answer.json()["headers"]["X-Utf8"];
        assert_eq!(
            *sent,
            serde_json::json!(["über"]),
            "the trailing space must be removed"
        );
        assert_eq!(
            ask(&daemon, path, &[("Policy", "a; b")]).backend(),
            "one",
            "{path}"
        );
    }
}

#[test]
fn a_header_value_that_cannot_be_sent_makes_its_rule_answer_500() {
    let (_folder, daemon) = daemon_with_rules(
        "    - matches: [{path: {value: /broken}}]
      filters:
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: \"a\\r\\nx-b: 1\"}]}}
      backendRefs: [{name: two, port: 3000}]
    - matches: [{headers: [{name: x-c, value: \"never \"}]}]
      backendRefs: [{name: two, port: 3000}]
    - backendRefs: [{name: one, port: 3000}]
",
    );
    assert_eq!(ask(&daemon, "/broken", &[]).status, 500);
    assert_eq!(ask(&daemon, "/", &[]).backend(), "one");
    let finding = daemon.wait_for_diagnostic("GF0508");
    let message = finding["message"].as_str().expect("a message");
    assert!(
        message.contains("`x-a`") && message.contains(r"`\r`"),
        "{message}"
    );
    let warning = daemon.wait_for_diagnostic("GF0546");
    let message = warning["message"].as_str().expect("a message");
    assert!(message.contains("`x-c`"), "{message}");
}
