//! What people and tools get wrong: a clear diagnostic, the rest served, nothing lost.

use crate::support::daemon::{Daemon, check};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway, gateway_with, route, route_to, service};
use crate::support::tls::{Authority, secret};
use serde_json::Value;

const HOST: &str = "www.example.com";

fn good() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
    ])
}

/// Puts a file beside good ones into a running daemon, waits for a diagnostic, and sees that the rest is served.
#[track_caller]
fn is_named_and_the_rest_served(text: impl AsRef<[u8]>, code: &str) -> Value {
    let folder = good();
    let daemon = Daemon::of(&folder).echo().start();
    folder.write("bad.yaml", text);
    let found = daemon.wait_for_diagnostic(code);
    let file = found["file"].as_str().expect("a file");
    assert!(file.ends_with("bad.yaml"), "{found:#}");
    assert_eq!(daemon.get(HOST, "/").status, 200, "the rest is served");
    // The daemon still takes edits, and hasn't lost any object.
    folder.write(
        "late.yaml",
        route("late", "late.example.com") + "---\n" + &service("late"),
    );
    daemon.wait_for_status("late.example.com", "/", 200);
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let output = check(&folder);
    assert_eq!(output.status.code(), Some(1), "check finds it, too");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(code) && text.contains("bad.yaml"), "{text}");
    assert!(daemon.memory() < 400, "{} MiB", daemon.memory());
    found
}

#[test]
fn half_written_yaml() {
    let text = route("bad", "bad.example.com");
    let cut = text.find("hostnames").expect("a place to cut") + 4;
    is_named_and_the_rest_served(&text[..cut], "GF0104");
}

#[test]
fn invalid_yaml_names_line_and_column() {
    let found = is_named_and_the_rest_served("kind: Service\nmetadata: {name: [}\n", "GF0104");
    assert_eq!(found["line"], 2, "{found:#}");
    assert!(
        found["column"].as_u64().is_some_and(|column| column > 1),
        "{found:#}"
    );
}

#[test]
fn a_broken_file_that_is_renamed_keeps_its_routes() {
    let folder = good();
    let daemon = Daemon::of(&folder).echo().start();
    folder.write("route.yaml", route("one", HOST) + "---\nbroken: [\n");
    daemon.wait_for_diagnostic("GF0104");
    let path = |name: &str| folder.path().join(name);
    std::fs::rename(path("route.yaml"), path("renamed.yaml")).expect("renamed");
    daemon.wait_for_summary("a diagnostic with the new name", |summary| {
        assert_eq!(daemon.get(HOST, "/").status, 200, "the route is kept");
        let all = summary["diagnostics"].as_array()?;
        let file = |found: &Value| found["file"].as_str().map(str::to_owned);
        let renamed = |found| file(found).is_some_and(|it| it.ends_with("renamed.yaml"));
        all.iter().any(renamed).then_some(())
    });
    assert_eq!(daemon.get(HOST, "/").status, 200, "the route is kept");
}

#[test]
fn an_empty_file_is_no_problem() {
    let folder = good();
    folder.write("empty.yaml", "");
    folder.write("comment.yaml", "# nothing yet\n---\n");
    assert_eq!(check(&folder).status.code(), Some(0));
    assert_eq!(
        Daemon::of(&folder).echo().start().get(HOST, "/").status,
        200
    );
}

#[test]
fn a_binary_file() {
    is_named_and_the_rest_served([0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe, 0x80], "GF0102");
}

#[test]
fn a_file_of_100_mib() {
    is_named_and_the_rest_served(vec![b'#'; 100 << 20], "GF0103");
}

#[test]
fn an_alias_bomb() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    is_named_and_the_rest_served(text, "GF0103");
}

#[test]
fn ten_thousand_levels_of_nesting() {
    is_named_and_the_rest_served("[".repeat(10_000) + &"]".repeat(10_000), "GF0106");
}

#[test]
fn an_unknown_field_names_its_place() {
    let text = route("bad", "bad.example.com").replace("hostnames:", "hostname:");
    let found = is_named_and_the_rest_served(text, "GF0201");
    assert_eq!(
        (&found["line"], &found["column"]),
        (&8.into(), &3.into()),
        "{found:#}"
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    let text = route("bad", "bad.example.com").replace("port: 3000", "port: http");
    is_named_and_the_rest_served(text, "GF0202");
}

#[test]
fn a_key_that_stands_twice() {
    let text = service("bad") + "kind: Service\n";
    is_named_and_the_rest_served(text, "GF0105");
}

#[test]
fn an_object_that_stands_in_two_files_is_served_from_the_first() {
    let folder = good();
    let daemon = Daemon::of(&folder).echo().start();
    folder.write("zz-again.yaml", route("one", "again.example.com"));
    daemon.wait_for_diagnostic("GF0302");
    assert_eq!(daemon.get(HOST, "/").status, 200);
    assert_eq!(daemon.get("again.example.com", "/").status, 404);
}

#[test]
fn a_bad_regular_expression_takes_down_its_rule_only() {
    let folder = good();
    let bad = route("bad", "bad.example.com").replace(
        "    - backendRefs:",
        "    - matches: [{path: {type: RegularExpression, value: \"/(\"}}]\n      backendRefs:",
    );
    folder.write(
        "bad.yaml",
        bad.clone() + "    - backendRefs: [{name: one, port: 3000}]\n",
    );
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 200, "the rest is served");
    let status = daemon.admin_json("/status");
    let all = status["diagnostics"].as_array().expect("diagnostics");
    let about = |one: &&Value| {
        one["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("bad.yaml"))
    };
    assert!(
        all.iter()
            .any(|one| about(&one) && one["severity"] == "error"),
        "{status:#}"
    );
}

#[test]
fn a_backend_that_is_not_there_answers_500_and_says_so() {
    let folder = good();
    folder.write("bad.yaml", route("nobody", "bad.example.com"));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get("bad.example.com", "/").status, 500);
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let object = daemon.object("httproutes", "default", "nobody");
    let resolved = condition(&object["status"]["parents"][0], "ResolvedRefs");
    assert_eq!(
        (&resolved["status"], &resolved["reason"]),
        (&"False".into(), &"BackendNotFound".into())
    );
    assert_eq!(check(&folder).status.code(), Some(1));
}

#[test]
fn a_service_without_endpoints_answers_503() {
    let folder = good();
    let daemon = Daemon::of(&folder).start();
    assert_eq!(daemon.get(HOST, "/").status, 503);
}

#[test]
fn a_filter_that_gatefold_does_not_have_is_refused_with_500() {
    let folder = good();
    let refs = "        - {name: one, port: 3000}
      filters:
        - type: ExtensionRef
          extensionRef: {group: example.com, kind: Waf, name: strict}\n";
    folder.write("bad.yaml", route_to("bad", "bad.example.com", refs));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get("bad.example.com", "/").status, 500);
    let object = daemon.object("httproutes", "default", "bad");
    let accepted = condition(&object["status"]["parents"][0], "Accepted");
    assert_eq!(accepted["status"], "False", "{object:#}");
    assert_eq!(daemon.get(HOST, "/").status, 200);
}

/// A Gateway with HTTP and HTTPS, and a Secret or none.
fn with_tls(certificate: Option<String>) -> Folder {
    let folder = good();
    folder.write(
        "gateway.yaml",
        gateway_with(
            "    - {name: http, protocol: HTTP, port: 80}
    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n",
        ),
    );
    if let Some(text) = certificate {
        folder.write("cert.yaml", text);
    }
    folder
}

/// The ResolvedRefs condition of the HTTPS listener.
fn resolved_refs(daemon: &Daemon) -> Value {
    let object = daemon.object("gateways", "default", "edge");
    condition(&object["status"]["listeners"][1], "ResolvedRefs").clone()
}

#[test]
fn a_missing_secret_takes_down_its_listener_only_and_works_once_it_is_there() {
    let folder = with_tls(None);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(resolved_refs(&daemon)["reason"], "InvalidCertificateRef");
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "the other listener serves"
    );
    let authority = Authority::new();
    let pair = authority.issue(HOST);
    folder.write("cert.yaml", secret("cert", &pair.certificate, &pair.key));
    eventually("TLS is served", || {
        authority.connect(daemon.socket(443), HOST).ok()
    });
    // Statuses follow the traffic.
    eventually("the reference is resolved", || {
        (resolved_refs(&daemon)["status"] == "True").then_some(())
    });
}

#[test]
fn a_key_that_does_not_fit_its_certificate() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(HOST), authority.issue(HOST));
    let folder = with_tls(Some(secret("cert", &one.certificate, &other.key)));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(resolved_refs(&daemon)["reason"], "InvalidCertificateRef");
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "the other listener serves"
    );
    assert_eq!(check(&folder).status.code(), Some(1));
}

#[test]
fn an_expired_certificate_is_served_with_a_warning() {
    let pair = Authority::new().issue_expired(HOST);
    let folder = with_tls(Some(secret("cert", &pair.certificate, &pair.key)));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(resolved_refs(&daemon)["status"], "True");
    let status = daemon.admin_json("/status");
    let all = status["diagnostics"].as_array().expect("diagnostics");
    let expired = |one: &Value| {
        one["severity"] == "warning" && one["message"].to_string().contains("expired")
    };
    assert!(all.iter().any(expired), "{status:#}");
    assert_eq!(
        check(&folder).status.code(),
        Some(0),
        "a warning is no failure"
    );
}
