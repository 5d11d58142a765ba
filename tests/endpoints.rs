//! Where the endpoints of a Service come from, besides EndpointSlices.

use crate::support::backend::Backend;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, route_to, service};
use crate::support::network::free_port;
use std::net::{IpAddr, SocketAddr};

const HOST: &str = "www.example.com";

/// A backend at the address that every machine knows by a name.
fn localhost(name: &str) -> Backend {
    let ip = IpAddr::from([127, 0, 0, 1]);
    Backend::listen(name, SocketAddr::new(ip, free_port(ip)))
}

fn folder(service: String) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service),
    ])
}

/// The Service of the route, at this port.
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
fn a_backend_flag_says_where_a_service_is() {
    let backend = Backend::start("fixed");
    let folder = folder(service("one"));
    let flag = format!("default/one:3000={}", backend.address());
    let daemon = Daemon::of(&folder).arg("--backend").arg(flag).start();
    answers(&daemon, "fixed");
}

#[test]
fn a_backend_flag_serves_a_service_that_is_not_in_the_folder() {
    let backend = Backend::start("fixed");
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("elsewhere", HOST)),
    ]);
    let flag = format!("default/elsewhere:3000={}", backend.address());
    let daemon = Daemon::of(&folder).arg("--backend").arg(flag).start();
    answers(&daemon, "fixed");
}

#[test]
fn a_backend_flag_whose_host_has_no_address_yet_gives_503_and_not_500() {
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
fn an_external_name_is_looked_up() {
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
fn a_service_without_endpoints_is_looked_up_by_its_name() {
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
    let backend = Backend::start("pod");
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
    eventually("nobody is left", || {
        (daemon.get(HOST, "/").status == 503).then_some(())
    });
}
