//! Documents that aren't manifests, in `check` and `run`.

use crate::support::daemon::{Daemon, check_with};
use crate::support::eventually;
use crate::support::folder::Folder;

const HOST: &str = "www.example.com";

/// A folder as repositories keep them.
fn repository_like() -> Folder {
    let folder = Folder::with_route(HOST);
    folder.write(
        "kustomization.yaml",
        "resources: [gateway.yaml, route.yaml]\n",
    );
    folder.write("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n");
    folder.write("values.yaml", "host: {{ .Values.host }}\n  x: [\n");
    folder.write(
        "templates/route.yaml",
        "{{- if .Values.x }}\nkind: HTTPRoute\n{{- end }}\n",
    );
    folder
}

fn check(folder: &Folder, flags: &[&str]) -> (Option<i32>, String) {
    let output = check_with(folder, flags);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

#[test]
fn check_counts_what_it_passes_over_and_lists_it_with_verbose() {
    let folder = repository_like();
    let (code, text) = check(&folder, &["--deny-warnings"]);
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        "info[GF0305]: skipped 1 Helm chart, 1 Helm values file, which aren't manifests",
        "Chart.yaml: info[GF0307]: 1 template of this Helm chart isn't loaded",
        "--render 'helm template ",
    ] {
        assert!(text.contains(expected), "{expected} isn't in\n{text}");
    }
    assert!(!text.contains("values.yaml"), "{text}");
    for flag in ["-v", "--verbose"] {
        let (code, text) = check(&folder, &[flag]);
        assert_eq!(code, Some(0), "{text}");
        for expected in [
            "Chart.yaml: info[GF0305]: a Helm chart, not a manifest",
            "values.yaml: info[GF0305]: a Helm values file, not a manifest",
        ] {
            assert!(text.contains(expected), "{expected} isn't in\n{text}");
        }
        assert!(!text.contains("skipped"), "{text}");
    }
}

#[test]
fn run_logs_what_it_passes_over_at_debug() {
    let folder = repository_like();
    let start = |level: &str| {
        let daemon = Daemon::of(&folder).echo().arg("--log-level").arg(level);
        daemon.start()
    };
    let daemon = start("info");
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let logs = |daemon: &Daemon, text: &str| {
        eventually(text, || daemon.log().contains(text).then_some(()));
    };
    logs(&daemon, "skipped 1 Helm chart");
    let verbose = start("debug");
    logs(&verbose, "values.yaml: info[GF0305]");
    let log = daemon.log();
    assert!(!log.contains("values.yaml"), "{log}");
}

#[test]
fn a_manifest_that_loses_its_kind_stays_in_force() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    folder.write("route.yaml", "half: written\n");
    let found = daemon.wait_for_diagnostic("GF0301");
    assert!(
        found["notes"].to_string().contains("stays in force"),
        "{found}"
    );
    assert_eq!(daemon.get(HOST, "/").status, 200);
}
