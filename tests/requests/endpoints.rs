//! Sources of endpoints other than EndpointSlices.

use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, route_to, service};
use crate::support::network::free_port;
use std::net::{IpAddr, SocketAddr};

const HOST: &str = "www.example.com";

/// Starts a backend on 127.0.0.1, which every machine resolves from `localhost`.
fn localhost(name: &str) -> TestBackend {
    let ip = IpAddr::from([127, 0, 0, 1]);
    TestBackend::listen(name, SocketAddr::new(ip, free_port(ip)))
}

fn folder(service: String) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service),
    ])
}

/// The Service of the route with this target port.
fn service_at(port: u16, fields: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: one}}
spec: {{ports: [{{name: http, port: 3000, targetPort: {port}}}], {fields}}}
"
    )
}

#[track_caller]
fn answers(daemon: &Daemon, text: &str) {
    eventually(&format!("{text} answers"), || {
        let answer = daemon.get(HOST, "/");
        (answer.status == 200 && answer.text() == text).then_some(())
    });
}

#[test]
fn a_backend_flag_sets_the_address_of_a_service() {
    let backend = TestBackend::start("fixed");
    let folder = folder(service("one"));
    let flag = format!("default/one:3000={}", backend.address());
    let daemon = Daemon::of(&folder).arg("--backend").arg(flag).start();
    answers(&daemon, "fixed");
}

#[test]
fn a_backend_flag_defines_a_service_that_is_not_in_the_folder() {
    let backend = TestBackend::start("fixed");
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("elsewhere", HOST)),
    ]);
    let flag = format!("default/elsewhere:3000={}", backend.address());
    let daemon = Daemon::of(&folder).arg("--backend").arg(flag).start();
    answers(&daemon, "fixed");
}

#[test]
fn a_backend_flag_without_a_resolved_address_answers_503() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("elsewhere", HOST)),
    ]);
    let flag = "default/elsewhere:3000=nowhere.invalid:80";
    let daemon = Daemon::of(&folder).arg("--backend").arg(flag).start();
    assert_eq!(daemon.get(HOST, "/").status, 503);
    let found = daemon.wait_for_diagnostic("GF0517").to_string();
    assert!(found.contains("DNS has no address yet"), "{found}");
}

#[test]
fn resolves_an_external_name() {
    let backend = localhost("external");
    let port = backend.address().port();
    let fields = "type: ExternalName, externalName: localhost";
    let folder = folder(service_at(port, fields).replace("port: 3000", &format!("port: {port}")));
    let refs = format!("        - {{name: one, port: {port}}}\n");
    folder.write("route.yaml", route_to("one", HOST, &refs));
    let daemon = Daemon::of(&folder).start();
    answers(&daemon, "external");
}

#[test]
fn resolves_a_service_without_endpoints_by_its_name() {
    let backend = localhost("by name");
    let port = backend.address().port();
    let manifest = service_at(port, "selector: {app: one}").replace("name: one", "name: localhost");
    let manifest = manifest.replace("port: 3000", &format!("port: {port}"));
    let folder = folder(manifest);
    let refs = format!("        - {{name: localhost, port: {port}}}\n");
    folder.write("route.yaml", route_to("one", HOST, &refs));
    let daemon = Daemon::of(&folder).start();
    answers(&daemon, "by name");
}

#[test]
fn pods_that_the_selector_matches_are_endpoints() {
    let backend = TestBackend::start("pod");
    let SocketAddr::V4(address) = backend.address() else {
        unreachable!("backends have loopback addresses of version 4")
    };
    let folder = folder(service_at(address.port(), "selector: {app: one}"));
    let pod = format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: one-1, labels: {{app: one}}}}
spec: {{containers: [{{name: one, image: one}}]}}
status: {{phase: Running, podIP: {}, conditions: [{{type: Ready, status: \"True\"}}]}}
",
        address.ip()
    );
    folder.write("pod.yaml", &pod);
    folder.write(
        "other.yaml",
        pod.replace("one-1", "other")
            .replace("app: one", "app: other"),
    );
    let daemon = Daemon::of(&folder).start();
    answers(&daemon, "pod");
    folder.remove("pod.yaml");
    eventually("no endpoint is left", || {
        (daemon.get(HOST, "/").status == 503).then_some(())
    });
}
