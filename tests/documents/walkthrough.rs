//! The walk-through of the README: `config/quickstart`, step by step, with the README's curl commands.

use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::{eventually, manifests, repository};
use std::path::Path;
use std::process::Command;

const HOST: &str = "www.example.com";

/// Runs a shell command and returns its output. `$GATEWAY` is the address, `$HTTP` and `$HTTPS` are the ports.
fn shell(daemon: &Daemon, folder: &Folder, line: &str) -> String {
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", line])
        .env("GATEWAY", daemon.address().to_string())
        .env("HTTP", daemon.socket(80).port().to_string())
        .env("HTTPS", daemon.socket(443).port().to_string())
        .current_dir(folder.path())
        .output()
        .expect("bash runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\n{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn generate_certificate(folder: &Path) {
    let output = Command::new(repository("certs/generate.sh"))
        .arg(folder)
        .output()
        .expect("the script runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn path_header_split_and_tls_work_with_unmodified_cluster_manifests() {
    let folder = Folder::sample("quickstart");
    let daemon = Daemon::of(&folder).echo().start();
    path_task(&daemon, &folder);
    header_task(&daemon, &folder);
    split_task(&daemon, &folder);
    tls_task(&daemon, &folder);
}

fn path_task(daemon: &Daemon, folder: &Folder) {
    let answer = shell(
        daemon,
        folder,
        "curl -sS -H 'Host: www.example.com' http://$GATEWAY:$HTTP/get",
    );
    for line in [
        r#""path": "/get""#,
        r#""host": "www.example.com""#,
        r#""method": "GET""#,
    ] {
        assert!(answer.contains(line), "{line} isn't in {answer}");
    }
    assert_eq!(daemon.get(HOST, "/other").status, 404, "another path");
    assert_eq!(
        daemon.get("other.example.com", "/get").status,
        404,
        "another host"
    );
}

fn header_task(daemon: &Daemon, folder: &Folder) {
    folder.copy("config/quickstart/steps/header-route.yaml", "route.yaml");
    let answer = eventually("the added header arrives", || {
        let json = daemon.get(HOST, "/get").json();
        json["headers"].get("Added-Header").cloned()
    });
    assert_eq!(answer, serde_json::json!(["foo"]));
}

fn split_task(daemon: &Daemon, folder: &Folder) {
    folder.copy("config/quickstart/steps/split-route.yaml", "route.yaml");
    eventually("the header is gone", || {
        let json = daemon.get(HOST, "/get").json();
        json["headers"].get("Added-Header").is_none().then_some(())
    });
    let names = shell(
        daemon,
        folder,
        r#"for i in {1..20}; do curl -sS -H "Host: www.example.com" http://$GATEWAY:$HTTP/get |
           grep backend | sed -E 's/".*"(backend(-2)?)-[0-9a-zA-Z]*-.*/\1/'; done"#,
    );
    let names: Vec<_> = names.lines().map(str::trim).collect();
    let of = |name| names.iter().filter(|found| **found == name).count();
    assert_eq!(
        (of("backend"), of("backend-2"), names.len()),
        (16, 4, 20),
        "{names:?}"
    );
}

fn tls_task(daemon: &Daemon, folder: &Folder) {
    generate_certificate(folder.path());
    folder.copy("config/quickstart/steps/tls-gateway.yaml", "gateway.yaml");
    eventually("the HTTPS listener accepts", || {
        std::net::TcpStream::connect(daemon.socket(443)).ok()
    });
    let curl = "curl -sS --resolve www.example.com:$HTTPS:$GATEWAY --cacert example.com.crt";
    for (option, proto) in [("--http2", "HTTP/2.0"), ("--http1.1", "HTTP/1.1")] {
        let line = format!(
            r#"{curl} {option} -w '%{{http_version}}' -o answer https://www.example.com:$HTTPS/get"#
        );
        let version = shell(daemon, folder, &line);
        let answer = folder.read("answer");
        assert!(
            proto.ends_with(&version) || version == "2",
            "curl {option} used HTTP {version}"
        );
        let json: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(
            json["headers"]["X-Forwarded-Proto"],
            serde_json::json!(["https"]),
            "{answer}"
        );
        assert!(answer.contains(r#""path": "/get""#), "{answer}");
    }
    assert_eq!(
        daemon.get(HOST, "/get").status,
        200,
        "port 80 is still served"
    );
}

#[test]
fn endpoint_slices_resolve_to_real_backends() {
    let folder = Folder::sample("quickstart");
    let first = TestBackend::start("first");
    let second = TestBackend::start("second");
    folder.write(
        "slice.yaml",
        manifests::endpoint_slice("backend", first.address()),
    );
    folder.write(
        "slice-2.yaml",
        manifests::endpoint_slice("backend-2", second.address()),
    );
    folder.copy("config/quickstart/steps/split-route.yaml", "route.yaml");
    let daemon = Daemon::of(&folder).start();
    let mut client = daemon.connect();
    let answers: Vec<_> = (0..20)
        .map(|_| client.get(HOST, "/get", &[]).expect("an answer").text())
        .collect();
    let of = |name| answers.iter().filter(|found| *found == name).count();
    assert_eq!((of("first"), of("second")), (16, 4), "{answers:?}");
}

#[test]
fn an_endpoint_slice_takes_precedence_over_echo() {
    let folder = Folder::sample("quickstart");
    let real = TestBackend::start("real");
    folder.write(
        "slice.yaml",
        manifests::endpoint_slice("backend", real.address()),
    );
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/get").text(), "real");
}
