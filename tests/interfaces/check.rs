//! `gatefold check`: exit codes and output.

use crate::support::daemon::{check, gatefold};
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
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
