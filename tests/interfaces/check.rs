//! `gatefold check`: exit codes and output.

use crate::support::daemon::{check, check_with, gatefold};
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, gateway_named, route, service};
use std::io::Write;
use std::process::Stdio;

const HOST: &str = "www.example.com";

#[test]
fn exits_with_0_and_shows_conditions_of_a_clean_folder() {
    let output = check(&Folder::with_route(HOST));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for word in ["NAME", "edge", "one", HOST, "Accepted", "Programmed"] {
        assert!(
            text.to_uppercase().contains(&word.to_uppercase()),
            "{word} isn't in\n{text}"
        );
    }
}

#[test]
fn exits_with_1_and_reports_file_line_and_column_of_a_problem() {
    let folder = Folder::with_route(HOST);
    folder.replace("route.yaml", "hostnames:", "hostname:");
    let output = check(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("route.yaml:8:3"), "{text}");
    assert!(text.contains("GF0201"), "{text}");
    assert!(
        text.contains("hostnames"),
        "the suggestion is missing: {text}"
    );
}

#[test]
fn exits_with_2_on_wrong_usage() {
    let none = gatefold().arg("check").output().expect("gatefold runs");
    assert_eq!(none.status.code(), Some(2), "no folder: {none:?}");
    let missing = gatefold()
        .args(["check", "not-a-folder"])
        .output()
        .expect("gatefold runs");
    assert_eq!(
        missing.status.code(),
        Some(2),
        "no such folder: {missing:?}"
    );
    let unknown = gatefold()
        .args(["check", "--nonsense", "."])
        .output()
        .expect("gatefold runs");
    assert_eq!(unknown.status.code(), Some(2), "no such flag: {unknown:?}");
}

#[test]
fn reads_standard_input_for_a_dash() {
    for (text, code) in [
        (
            [gateway(), route("one", HOST), service("one")].join("---\n"),
            0,
        ),
        (route("one", HOST).replace("hostnames:", "hostname:"), 1),
    ] {
        let mut child = gatefold()
            .args(["check", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gatefold runs");
        let mut stdin = child.stdin.take().expect("its standard input");
        stdin
            .write_all(text.as_bytes())
            .expect("the manifests sent");
        drop(stdin);
        let output = child.wait_with_output().expect("gatefold ends");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn reads_multiple_documents_lists_and_json() {
    let folder = Folder::new();
    let documents = [gateway(), service("one")].join("---\n");
    folder.write("all.yml", documents);
    folder.write(
        "routes.json",
        r#"{"apiVersion": "v1", "kind": "List", "items": [{
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "from-json"},
            "spec": {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "one", "port": 3000}]}]}
        }]}"#,
    );
    folder.write(".hidden.yaml", "not: [yaml");
    folder.write("backup.yaml~", "not: [yaml");
    folder.write("notes.txt", "not: [yaml");
    let output = check(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("from-json"), "{text}");
}

#[test]
fn explains_every_code() {
    for code in gatefold_diagnostic::Code::ALL {
        let output = gatefold()
            .args(["explain", code.as_str()])
            .output()
            .expect("gatefold runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{code}: {output:?}");
        let first = code.explanation().lines().next().unwrap_or_default();
        assert!(text.contains(first.trim()), "{code}: {text}");
    }
    let unknown = gatefold()
        .args(["explain", "GF9999"])
        .output()
        .expect("gatefold runs");
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
}

#[test]
fn check_assigns_the_same_addresses_as_run() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        (
            "other.yaml",
            gateway_named("other", "    - {name: http, protocol: HTTP, port: 80}\n"),
        ),
    ]);
    let conflict = check_with(&folder, &["--address", "127.0.0.1"]);
    let conflict = String::from_utf8_lossy(&conflict.stdout).into_owned();
    assert!(
        conflict.contains("GF0406"),
        "both Gateways listen on one address: {conflict}"
    );
    let pool = ["--address-pool", "127.0.0.0/29"];
    let output = check_with(&folder, &pool);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("127.0.0.1") && text.contains("127.0.0.2"),
        "{text}"
    );
    let run = gatefold()
        .arg("run")
        .arg(folder.path())
        .arg("--check")
        .args(pool)
        .output();
    assert_eq!(run.expect("gatefold runs").stdout, output.stdout);
}

#[test]
fn check_accepts_the_flags_of_run_that_affect_conditions() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", "www.example.com")),
    ]);
    assert_eq!(
        check(&folder).status.code(),
        Some(1),
        "the Service is missing"
    );
    for backend in [
        "default/shop:3000=127.0.0.1:80",
        "shop:3000=shop.internal:80",
    ] {
        let output = check_with(&folder, &["--backend", backend]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{text}");
    }
    let output = check_with(
        &folder,
        &["--address", "127.0.0.7", "--port-map", "80=8080"],
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("127.0.0.7"), "{text}");
}

#[test]
fn the_table_lists_refused_objects() {
    let folder = Folder::with([("gateway.yaml", gateway()), ("shop.yaml", service("shop"))]);
    let mixed = route("shop", "www.example.com").replace(
        "    - name: edge\n",
        "    - name: edge\n    - name: edge\n      sectionName: http\n",
    );
    folder.write("route.yaml", mixed);
    let output = check_with(&folder, &["--output", "text"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let row = text.lines().find(|line| line.contains("<refused>"));
    assert!(row.is_some_and(|row| row.contains("shop")), "{text}");
    let json = check_with(&folder, &["--output", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let objects = json["objects"].as_array().expect("objects");
    let refused = objects.iter().find(|object| object["refused"] == true);
    assert_eq!(refused.expect("the route")["name"], "shop");
}
