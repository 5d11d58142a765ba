//! Mistakes of people and tools: each gets a clear diagnostic, everything else is served, and no object is lost.

use crate::support::daemon::{Daemon, check};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_with, route, route_to, service};
use crate::support::tls::{Authority, secret};
use serde_json::Value;

const HOST: &str = "www.example.com";

/// Adds a bad file to the folder of a running daemon, waits for a diagnostic, and checks that everything else is served.
#[track_caller]
fn assert_reported_and_rest_served(text: impl AsRef<[u8]>, code: &str) -> Value {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    folder.write("bad.yaml", text);
    let found = daemon.wait_for_diagnostic(code);
    let file = found["file"].as_str().expect("a file");
    assert!(file.ends_with("bad.yaml"), "{found:#}");
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "everything else must be served"
    );
    // The daemon still loads edits, and keeps all objects.
    folder.write(
        "late.yaml",
        route("late", "late.example.com") + "---\n" + &service("late"),
    );
    daemon.wait_for_status("late.example.com", "/", 200);
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let output = check(&folder);
    assert_eq!(output.status.code(), Some(1), "check must report it, too");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(code) && text.contains("bad.yaml"), "{text}");
    assert!(daemon.memory() < 400, "{} MiB", daemon.memory());
    found
}

#[test]
fn reports_half_written_yaml() {
    let text = route("bad", "bad.example.com");
    let cut = text.find("hostnames").expect("a place to cut") + 4;
    assert_reported_and_rest_served(&text[..cut], "GF0104");
}

#[test]
fn reports_invalid_yaml_with_line_and_column() {
    let found = assert_reported_and_rest_served("kind: Service\nmetadata: {name: [}\n", "GF0104");
    assert_eq!(found["line"], 2, "{found:#}");
    assert!(
        found["column"].as_u64().is_some_and(|column| column > 1),
        "{found:#}"
    );
}

#[test]
fn a_renamed_broken_file_keeps_its_routes() {
    let folder = Folder::with_route(HOST);
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
fn accepts_empty_files() {
    let folder = Folder::with_route(HOST);
    folder.write("empty.yaml", "");
    folder.write("comment.yaml", "# nothing yet\n---\n");
    assert_eq!(check(&folder).status.code(), Some(0));
    assert_eq!(
        Daemon::of(&folder).echo().start().get(HOST, "/").status,
        200
    );
}

#[test]
fn reports_a_binary_file() {
    assert_reported_and_rest_served([0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe, 0x80], "GF0102");
}

#[test]
fn reports_a_file_of_100_mib() {
    assert_reported_and_rest_served(vec![b'#'; 100 << 20], "GF0103");
}

#[test]
fn reports_an_alias_bomb() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    assert_reported_and_rest_served(text, "GF0103");
}

#[test]
fn reports_ten_thousand_levels_of_nesting() {
    assert_reported_and_rest_served("[".repeat(10_000) + &"]".repeat(10_000), "GF0106");
}

#[test]
fn reports_an_unknown_field_with_its_position() {
    let text = route("bad", "bad.example.com").replace("hostnames:", "hostname:");
    let found = assert_reported_and_rest_served(text, "GF0201");
    assert_eq!(
        (&found["line"], &found["column"]),
        (&8.into(), &3.into()),
        "{found:#}"
    );
}

#[test]
fn reports_a_value_of_the_wrong_type() {
    let text = route("bad", "bad.example.com").replace("port: 3000", "port: http");
    assert_reported_and_rest_served(text, "GF0202");
}

#[test]
fn reports_a_duplicate_key() {
    let text = service("bad") + "kind: Service\n";
    assert_reported_and_rest_served(text, "GF0105");
}

#[test]
fn an_object_in_two_files_is_served_from_the_first() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    folder.write("zz-copy.yaml", route("one", "copy.example.com"));
    daemon.wait_for_diagnostic("GF0302");
    assert_eq!(daemon.get(HOST, "/").status, 200);
    assert_eq!(daemon.get("copy.example.com", "/").status, 404);
}

#[test]
fn an_invalid_regular_expression_affects_its_rule_only() {
    let folder = Folder::with_route(HOST);
    let bad = route("bad", "bad.example.com").replace(
        "    - backendRefs:",
        "    - matches: [{path: {type: RegularExpression, value: \"/(\"}}]\n      backendRefs:",
    );
    folder.write(
        "bad.yaml",
        bad.clone() + "    - backendRefs: [{name: one, port: 3000}]\n",
    );
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "everything else must be served"
    );
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
fn a_missing_backend_answers_500_and_is_reported() {
    let folder = Folder::with_route(HOST);
    folder.write("bad.yaml", route("missing", "bad.example.com"));
    let daemon = Daemon::of(&folder).start();
    assert_eq!(daemon.get("bad.example.com", "/").status, 500);
    assert_eq!(
        daemon.get(HOST, "/").status,
        503,
        "a Service without endpoints"
    );
    let object = daemon.object("httproutes", "default", "missing");
    let resolved = condition(&object["status"]["parents"][0], "ResolvedRefs");
    assert_eq!(
        (&resolved["status"], &resolved["reason"]),
        (&"False".into(), &"BackendNotFound".into())
    );
    assert_eq!(check(&folder).status.code(), Some(1));
}

#[test]
fn a_service_without_endpoints_answers_503() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).start();
    assert_eq!(daemon.get(HOST, "/").status, 503);
}

#[test]
fn an_unsupported_filter_answers_500() {
    let folder = Folder::with_route(HOST);
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

/// A folder with an HTTP and an HTTPS listener, and optionally the Secret.
fn with_tls(certificate: Option<String>) -> Folder {
    let folder = Folder::with_route(HOST);
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
fn a_missing_secret_affects_its_listener_only_until_it_is_added() {
    let folder = with_tls(None);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(resolved_refs(&daemon)["reason"], "InvalidCertificateRef");
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "the other listener must serve"
    );
    let authority = Authority::new();
    let pair = authority.issue(HOST);
    folder.write("cert.yaml", secret("cert", &pair.certificate, &pair.key));
    eventually("TLS is served", || {
        authority.connect(daemon.socket(443), HOST).ok()
    });
    // Statuses are published after the snapshot.
    eventually("the reference is resolved", || {
        (resolved_refs(&daemon)["status"] == "True").then_some(())
    });
}

#[test]
fn refuses_a_key_that_does_not_match_its_certificate() {
    let authority = Authority::new();
    let (one, other) = (authority.issue(HOST), authority.issue(HOST));
    let folder = with_tls(Some(secret("cert", &one.certificate, &other.key)));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(resolved_refs(&daemon)["reason"], "InvalidCertificateRef");
    assert_eq!(
        daemon.get(HOST, "/").status,
        200,
        "the other listener must serve"
    );
    assert_eq!(check(&folder).status.code(), Some(1));
}

#[test]
fn serves_an_expired_certificate_with_a_warning() {
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
        "a warning must not fail check"
    );
}
