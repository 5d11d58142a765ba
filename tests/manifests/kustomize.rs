//! Namespaces and variables from kustomizations, Flux Kustomizations and the command line.

use crate::support::daemon::{Daemon, check_with};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, gateway_with, route, service};

const HOST: &str = "www.example.com";

/// The output of a check that must end with this code.
#[track_caller]
fn checked(folder: &Folder, arguments: &[&str], code: i32) -> String {
    let output = check_with(folder, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}\n{errors}");
    text
}

/// A Gateway in its own namespace, and an application whose kustomization has this text.
fn kustomized(kustomization: &str) -> Folder {
    let listener =
        "    - {name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}\n";
    let head = "kind: Gateway\nmetadata:\n  name: edge\n";
    let gateway = gateway_with(listener).replace(head, &format!("{head}  namespace: infra\n"));
    let route =
        route("one", HOST).replace("- name: edge\n", "- name: edge\n      namespace: infra\n");
    Folder::with([
        ("gateway.yaml", gateway),
        ("app/kustomization.yaml", kustomization.to_owned()),
        ("app/route.yaml", route),
        ("app/one.yaml", service("one")),
    ])
}

#[test]
fn check_uses_the_namespaces_of_kustomizations_and_says_so() {
    let folder = kustomized("namespace: web\nresources: [route.yaml, one.yaml]\n");
    let text = checked(&folder, &["--deny-warnings"], 0);
    for part in [
        "web",
        "GF0801",
        "app/kustomization.yaml:1:12",
        "2 files into the namespace `web`",
    ] {
        assert!(text.contains(part), "{part} isn't in\n{text}");
    }
    let text = checked(&folder, &["--no-kustomize", "--namespace", "team"], 0);
    assert!(!text.contains("GF0801") && text.contains("team"), "{text}");
    let output = check_with(&folder, &["--namespace", "Not Valid"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn check_names_what_it_does_not_apply() {
    let folder = kustomized(
        "namespace: web\nnamePrefix: dev-\nresources: [route.yaml, one.yaml]\npatches: [{path: patch.yaml}]\n",
    );
    folder.write(
        "app/patch.yaml",
        "- {op: replace, path: /spec/hostnames/0, value: x}\n",
    );
    let text = checked(&folder, &[], 0);
    for part in [
        "GF0803",
        "`namePrefix` and patches",
        "--render 'kubectl kustomize",
        "GF0802",
    ] {
        assert!(text.contains(part), "{part} isn't in\n{text}");
    }
    checked(&folder, &["--deny-warnings"], 1);
}

#[test]
fn check_substitutes_variables_and_names_undefined_ones() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", "www.${DOMAIN}")),
        ("one.yaml", service("one")),
    ]);
    let text = checked(&folder, &[], 1);
    for part in [
        "`${DOMAIN}`, which isn't defined",
        "--substitute DOMAIN=VALUE",
        "route.yaml:9:7",
    ] {
        assert!(text.contains(part), "{part} isn't in\n{text}");
    }
    let text = checked(&folder, &["--substitute", "DOMAIN=example.com"], 0);
    assert!(text.contains(HOST), "{text}");
    let variables = Folder::with([("vars.env", "DOMAIN=example.com\n".to_owned())]);
    let file = variables.path().join("vars.env");
    let file = file.to_string_lossy();
    let text = checked(&folder, &["--substitute", &file], 0);
    assert!(text.contains(HOST), "{text}");
    let output = check_with(&folder, &["--substitute", "no-such-file"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("no-such-file"), "{errors}");
}

#[test]
fn a_running_daemon_follows_an_edit_of_a_kustomization() {
    // The route refers to a Service of its own namespace, which only the kustomization makes the same.
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("app/route.yaml", route("one", HOST)),
        (
            "app/one.yaml",
            service("one").replace("name: one\n", "name: one\n  namespace: other\n"),
        ),
    ]);
    // Without endpoints, a Service that is found answers 503.
    let daemon = Daemon::of(&folder).start();
    assert_eq!(
        daemon.get(HOST, "/").status,
        500,
        "the Service is elsewhere"
    );
    folder.write(
        "app/Kustomization",
        "namespace: default\nresources: [route.yaml, one.yaml]\n",
    );
    eventually("the kustomization is used", || {
        (daemon.get(HOST, "/").status == 503).then_some(())
    });
    folder.write(
        "app/Kustomization",
        "namespace: default\nresources: [route.yaml]\n",
    );
    eventually("the edit of the kustomization is used", || {
        (daemon.get(HOST, "/").status == 500).then_some(())
    });
    folder.write(
        "app/Kustomization",
        "namespace: default\nresources: [route.yaml, one.yaml]\n",
    );
    eventually("the Service is listed again", || {
        (daemon.get(HOST, "/").status == 503).then_some(())
    });
    folder.remove("app/Kustomization");
    eventually("the kustomization is gone", || {
        (daemon.get(HOST, "/").status == 500).then_some(())
    });
}

#[test]
fn a_running_daemon_follows_an_edit_of_a_file_with_variables_outside_of_the_folder() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", "www.${DOMAIN}")),
        ("one.yaml", service("one")),
    ]);
    let variables = Folder::with([("vars.env", "DOMAIN=example.com\n".to_owned())]);
    let file = variables.path().join("vars.env");
    let daemon = Daemon::of(&folder)
        .echo()
        .arg("--substitute")
        .arg(file.display().to_string())
        .start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    variables.write("vars.env", "DOMAIN=example.org\n");
    eventually("the new value is used", || {
        let (new, old) = (daemon.get("www.example.org", "/"), daemon.get(HOST, "/"));
        (new.status == 200 && old.status == 404).then_some(())
    });
    variables.write("vars.env", "not a line\n");
    folder.write(
        "other.yaml",
        route("two", "two.${DOMAIN}").replace("{name: two", "{name: one"),
    );
    eventually("the last good value is used", || {
        (daemon.get("two.example.org", "/").status == 200).then_some(())
    });
}
