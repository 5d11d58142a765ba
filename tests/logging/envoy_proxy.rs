//! Access logs that EnvoyProxies configure.

use crate::support::backend::TestBackend;
use crate::support::daemon::{Daemon, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const HOST: &str = "www.example.com";

/// An EnvoyProxy with one access log of paths in a file.
fn envoy_proxy(name: &str, format: &str, path: &Path) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {{name: {name}}}
spec:
  telemetry:
    accessLog:
      settings:
        - format: {{type: Text, text: '{format}'}}
          sinks: [{{type: File, file: {{path: {}}}}}]
",
        path.display()
    )
}

/// The class and the Gateway, whose `parametersRef` name these EnvoyProxies.
fn gateway_with_parameters(of_class: Option<&str>, own: Option<&str>) -> String {
    let reference =
        |name: &str| format!("{{group: gateway.envoyproxy.io, kind: EnvoyProxy, name: {name}");
    let class = of_class.map_or_else(String::new, |name| {
        format!(
            "  parametersRef: {}, namespace: default}}\n",
            reference(name)
        )
    });
    let own = own.map_or_else(String::new, |name| {
        format!(
            "  infrastructure: {{parametersRef: {}}}}}\n",
            reference(name)
        )
    });
    let controller = "  controllerName: example.com/gateway-controller\n";
    let class_name = "  gatewayClassName: edge\n";
    gateway()
        .replace(controller, &format!("{controller}{class}"))
        .replace(class_name, &format!("{class_name}{own}"))
}

/// A folder whose class names the EnvoyProxy `class`.
fn folder(proxy: String) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway_with_parameters(Some("class"), None)),
        ("proxy.yaml", proxy),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
        (
            "slice.yaml",
            endpoint_slice("one", TestBackend::start("one").address()),
        ),
    ])
}

fn start(folder: &Folder, logs: &Path) -> Daemon {
    Daemon::of(folder)
        .arg(format!("--access-log-dir={}", logs.display()))
        .start()
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(String::from).collect()
}

/// Waits until a file has a line.
#[track_caller]
fn wait_for_line(path: &Path, line: &str) {
    eventually("the line is written", || {
        lines(path).iter().any(|it| it == line).then_some(())
    });
}

#[test]
fn the_logs_of_a_gateway_change_while_it_serves_requests() {
    let logs = tempfile::tempdir().expect("a folder");
    let [first, second, own] =
        ["first.log", "second.log", "own.log"].map(|it| logs.path().join(it));
    let folder = folder(envoy_proxy("class", "%PATH%", &first));
    let daemon = start(&folder, logs.path());
    daemon.get(HOST, "/before");
    wait_for_line(&first, "/before");
    let ended = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut client = daemon.connect();
            let mut sent = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let path = format!("/{}", sent.len());
                let answer = client.get(HOST, &path, &[]).expect("an answer");
                assert_eq!(answer.status, 200, "{path}");
                sent.push(path);
            }
            sent
        });
        folder.write("proxy.yaml", envoy_proxy("class", "%PATH%", &second));
        eventually("the second file is written", || {
            (lines(&second).len() > 20).then_some(())
        });
        folder.write("own.yaml", envoy_proxy("own", "%PATH%", &own));
        folder.write(
            "gateway.yaml",
            gateway_with_parameters(Some("class"), Some("own")),
        );
        eventually("the Gateway's own file is written", || {
            (lines(&own).len() > 20).then_some(())
        });
        ended.store(true, Ordering::Relaxed);
        sending.join().expect("the client")
    });
    let last = sent.last().expect("a request");
    wait_for_line(&own, last);
    let all: Vec<String> = [&first, &second, &own]
        .into_iter()
        .flat_map(|it| lines(it))
        .collect();
    let expected: BTreeSet<&String> = sent.iter().collect();
    let found: BTreeSet<&String> = all.iter().filter(|it| *it != "/before").collect();
    assert_eq!(found, expected, "each request is logged");
    assert_eq!(all.len(), sent.len() + 1, "no request is logged twice");
}

#[test]
fn a_mistake_keeps_the_previous_access_log() {
    let logs = tempfile::tempdir().expect("a folder");
    let path = logs.path().join("access.log");
    let folder = folder(envoy_proxy("class", "%PATH% %RESPONSE_CODE%", &path));
    let daemon = start(&folder, logs.path());
    daemon.get(HOST, "/one");
    wait_for_line(&path, "/one 200");
    daemon.get("other.example.com", "/nowhere");
    wait_for_line(&path, "/nowhere 404");
    folder.write("proxy.yaml", envoy_proxy("class", "%PATHS%", &path));
    let found = daemon.wait_for_diagnostic("GF0565");
    let text = found.to_string();
    assert!(
        text.contains("the previous access logs stay in force"),
        "{text}"
    );
    daemon.get(HOST, "/two");
    wait_for_line(&path, "/two 200");
    folder.write("proxy.yaml", envoy_proxy("class", "now %PATH%", &path));
    eventually("the mistake is corrected", || {
        daemon.get(HOST, "/three");
        lines(&path)
            .iter()
            .any(|it| it == "now /three")
            .then_some(())
    });
}

#[test]
fn a_manifest_writes_no_file_outside_the_folder() {
    let (logs, other) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    std::os::unix::fs::symlink(other.path(), logs.path().join("link")).expect("a link");
    let outside = other.path().join("access.log");
    let folder = folder(envoy_proxy("class", "%PATH%", &outside));
    let daemon = start(&folder, logs.path());
    daemon.wait_for_diagnostic("GF0566");
    assert_eq!(daemon.get(HOST, "/").status, 200, "requests are served");
    folder.write(
        "proxy.yaml",
        envoy_proxy("class", "%PATH%", &logs.path().join("link/access.log")),
    );
    eventually("the linked file is refused", || {
        assert_eq!(daemon.get(HOST, "/").status, 200, "requests are served");
        let dropped = daemon.metric("gatefold_access_log_dropped_total");
        (dropped > 0.0).then_some(())
    });
    assert!(!outside.exists());
    let refused = daemon
        .log()
        .matches("an access log can't be written")
        .count();
    assert_eq!(refused, 1, "{}", daemon.log());
}

#[test]
fn a_gateway_without_access_logs_is_left_out_of_that_of_the_command_line() {
    let logs = tempfile::tempdir().expect("a folder");
    let path = logs.path().join("access.log");
    let folder = folder(envoy_proxy("class", "%PATH%", Path::new("/dev/stdout")));
    let disabled = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: class}
spec: {telemetry: {accessLog: {disable: true}}}
";
    folder.write("proxy.yaml", disabled);
    let daemon = Daemon::of(&folder)
        .arg(format!("--access-log-file={}", path.display()))
        .arg("--access-log=%PATH%")
        .start();
    assert_eq!(daemon.get(HOST, "/disabled").status, 200);
    folder.write("gateway.yaml", gateway_with_parameters(None, None));
    eventually("the access log of the command line is in force", || {
        daemon.get(HOST, "/logged");
        (!lines(&path).is_empty()).then_some(())
    });
    assert_eq!(lines(&path)[0], "/logged");
}

#[test]
fn the_folder_of_access_logs_must_exist() {
    let folder = Folder::with_route(HOST);
    let run = gatefold()
        .arg("run")
        .arg(folder.path())
        .args(["--admin=127.0.0.1:0", "--access-log-dir=/nowhere/logs"])
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{error}");
    assert!(error.contains("/nowhere/logs isn't a folder"), "{error}");
}
