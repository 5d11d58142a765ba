//! The admin API: Kubernetes' REST format, read-only.

use crate::support::daemon::{Daemon, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway, gateway_named, gateway_with};
use crate::support::tls::{Authority, secret};
use serde_json::json;

const HOST: &str = "www.example.com";

#[test]
fn shows_an_object_as_loaded_with_its_status() {
    let folder = Folder::with_route(HOST);
    folder.replace(
        "route.yaml",
        "  name: one\n",
        "  name: one\n  uid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427\n  generation: 7\n  labels: {team: web}\n",
    );
    let daemon = Daemon::of(&folder).echo().start();
    let object = daemon.object("httproutes", "default", "one");
    assert_eq!(object["apiVersion"], "gateway.networking.k8s.io/v1");
    assert_eq!(object["kind"], "HTTPRoute");
    assert_eq!(
        object["metadata"]["uid"],
        "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
    );
    assert_eq!(object["metadata"]["labels"]["team"], "web");
    let parent = &object["status"]["parents"][0];
    assert_eq!(parent["controllerName"], "example.com/gateway-controller");
    for kind in ["Accepted", "ResolvedRefs"] {
        let found = condition(parent, kind);
        assert_eq!(found["status"], "True", "{object:#}");
        assert_eq!(found["observedGeneration"], 7, "{object:#}");
        for field in ["reason", "lastTransitionTime", "message"] {
            assert!(
                found[field].is_string(),
                "{kind} has no {field}: {object:#}"
            );
        }
    }
}

#[test]
fn a_gateway_shows_its_address_and_its_routes() {
    let folder = Folder::with_route(HOST);
    let daemon = Daemon::of(&folder).echo().start();
    let object = daemon.object("gateways", "default", "edge");
    let status = &object["status"];
    assert_eq!(
        status["addresses"][0]["value"],
        daemon.address().to_string(),
        "{status:#}"
    );
    assert_eq!(status["listeners"][0]["attachedRoutes"], 1, "{status:#}");
    assert_eq!(
        status["listeners"][0]["supportedKinds"][0]["kind"], "HTTPRoute",
        "{status:#}"
    );
    for kind in ["Accepted", "Programmed"] {
        assert_eq!(condition(status, kind)["status"], "True", "{status:#}");
    }
    let class = daemon.admin_json("/apis/gateway.networking.k8s.io/v1/gatewayclasses/edge");
    assert_eq!(condition(&class["status"], "Accepted")["status"], "True");
}

#[test]
fn lists_objects_of_one_namespace_or_of_all() {
    let daemon = Daemon::of(&Folder::with_route(HOST)).echo().start();
    let api = "/apis/gateway.networking.k8s.io/v1";
    for path in ["/namespaces/default/httproutes", "/httproutes"] {
        let list = daemon.admin_json(&format!("{api}{path}"));
        assert_eq!(list["kind"], "HTTPRouteList");
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list:#}");
    }
    let list = daemon.admin_json(&format!("{api}/namespaces/elsewhere/httproutes"));
    assert_eq!(list["items"].as_array().map(Vec::len), Some(0), "{list:#}");
    let services = daemon.admin_json("/api/v1/services");
    assert_eq!(services["kind"], "ServiceList");
}

#[test]
fn answers_404_with_a_status_object() {
    let daemon = Daemon::of(&Folder::with_route(HOST)).echo().start();
    for path in [
        "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/missing",
        "/apis/gateway.networking.k8s.io/v1/namespaces/default/nonsense",
        "/nowhere",
    ] {
        let answer = daemon.admin(path);
        assert_eq!(answer.status, 404, "{path}");
        let json = answer.json();
        assert_eq!(
            (&json["kind"], &json["status"], &json["code"]),
            (&"Status".into(), &"Failure".into(), &404.into()),
            "{path}"
        );
    }
}

#[test]
fn never_shows_the_data_of_secrets() {
    let pair = Authority::new().issue(HOST);
    let folder = Folder::with_route(HOST);
    folder.write("cert.yaml", secret("cert", &pair.certificate, &pair.key));
    let listeners =
        "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";
    folder.write("gateway.yaml", gateway_with(listeners));
    let daemon = Daemon::of(&folder).echo().start();
    let key = pair.key.lines().nth(1).expect("a line of the key");
    for path in [
        "/api/v1/namespaces/default/secrets/cert",
        "/api/v1/secrets",
        "/status",
        "/metrics",
    ] {
        let answer = daemon.admin(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text().contains(key), "{path} shows the key");
    }
    assert!(!daemon.log().contains(key), "the log shows the key");
    assert_eq!(
        daemon.admin_json("/api/v1/namespaces/default/secrets/cert")["metadata"]["name"],
        "cert"
    );
}

#[test]
fn refuses_writes() {
    let daemon = Daemon::of(&Folder::with_route(HOST)).echo().start();
    let path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/one";
    let answer = daemon.admin_send("DELETE", path);
    assert_eq!(answer.status, 405, "{}", answer.text());
    assert_eq!(daemon.get(HOST, "/").status, 200);
}

#[test]
fn serves_health_checks_and_metrics() {
    let daemon = Daemon::of(&Folder::with_route(HOST)).echo().start();
    for path in ["/livez", "/readyz"] {
        assert_eq!(daemon.admin(path).status, 200, "{path}");
    }
    let metrics = daemon.admin("/metrics").text();
    assert!(metrics.contains("# TYPE "), "{metrics}");
}

#[test]
fn health_command_distinguishes_a_ready_daemon_from_none() {
    let health = |admin: &str| {
        let mut command = gatefold();
        let output = command.args(["health", "--admin", admin]).output();
        output.expect("gatefold runs")
    };
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let path = scratch.path().join("admin.sock");
    let folder = Folder::with_route(HOST);
    for daemon in [
        Daemon::of(&folder).echo().start(),
        Daemon::of(&folder).echo().admin_at(&path),
    ] {
        let address = daemon.admin_address();
        let output = health(&address);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        drop(daemon);
        let output = health(&address);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            text.contains(&address),
            "the error must contain the address: {text}"
        );
    }
}

#[test]
fn listens_on_a_unix_socket() {
    let folder = Folder::with_route(HOST);
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let path = scratch.path().join("admin.sock");
    let daemon = Daemon::of(&folder).echo().admin_at(&path);
    assert_eq!(daemon.admin("/livez").status, 200);
}

#[test]
fn refuses_a_non_loopback_address() {
    let folder = Folder::with_route(HOST);
    let output = gatefold()
        .args([
            "run",
            "--admin",
            "0.0.0.0:0",
            "--address",
            "127.0.0.1",
            "--port-map",
            "80=0",
        ])
        .arg(folder.path())
        .output()
        .expect("gatefold runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("--admin-allow-remote"), "{text}");
}

#[test]
fn get_shows_the_objects_of_a_running_daemon() {
    let daemon = Daemon::of(&Folder::with_route(HOST)).echo().start();
    let get = |arguments: &[&str]| {
        let output = gatefold()
            .arg("get")
            .args(arguments)
            .args(["--admin", &daemon.admin_address()])
            .output()
            .expect("gatefold runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, table) = get(&["httproutes"]);
    assert_eq!(code, Some(0), "{table}");
    assert!(table.starts_with("NAME"), "{table}");
    assert!(table.contains("one") && table.contains(HOST), "{table}");
    let (_, json) = get(&["gateway", "edge", "-o", "json"]);
    let object: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        condition(&object["status"], "Programmed")["status"],
        "True",
        "{object:#}"
    );
    assert_ne!(get(&["gateway", "missing"]).0, Some(0), "a missing object");
}

#[test]
fn a_gateway_with_the_longest_name_has_a_service_with_a_valid_name() {
    let name = "a".repeat(253);
    let folder = Folder::new();
    folder.write("class.yaml", gateway());
    let listeners = "    - {name: http, protocol: HTTP, port: 80, hostname: long.example.com}\n";
    folder.write("gateway.yaml", gateway_named(&name, listeners));
    let daemon = Daemon::of(&folder).start();
    let gateway = daemon.object("gateways", "default", &name);
    let programmed = condition(&gateway["status"], "Programmed");
    assert_eq!(programmed["status"], "True", "{gateway:#}");
    let services = daemon.admin_json("/api/v1/namespaces/default/services");
    let services = services["items"].as_array().expect("a list");
    let of_gateway =
        |it: &&serde_json::Value| it["metadata"]["ownerReferences"][0]["name"] == *name;
    let metadata = &services.iter().find(of_gateway).expect("a Service")["metadata"];
    let label = &metadata["labels"]["gateway.networking.k8s.io/gateway-name"];
    for text in [&metadata["name"], label] {
        let text = text.as_str().expect("a text");
        assert!(text.len() <= 63 && text.starts_with("aaaa"), "{text}");
    }
}

#[test]
fn shows_addresses_and_ports_of_a_gateway_as_a_service() {
    let infrastructure = "  infrastructure:
    labels: {team: web, gateway.networking.k8s.io/gateway-name: mine}
    annotations: {example.com/note: hello}\n";
    let folder = Folder::new();
    folder.write("gateway.yaml", gateway() + infrastructure);
    let daemon = Daemon::of(&folder).start();
    const PATH: &str = "/api/v1/namespaces/default/services/edge-edge";
    let service = daemon.admin_json(PATH);
    let metadata = &service["metadata"];
    assert_eq!(
        metadata["labels"],
        json!({
            "team": "web",
            "gateway.networking.k8s.io/gateway-name": "edge",
            "gateway.networking.k8s.io/gateway-class-name": "edge",
        })
    );
    assert_eq!(
        metadata["annotations"],
        json!({"example.com/note": "hello"})
    );
    assert_eq!(metadata["ownerReferences"][0]["name"], "edge");
    let ports = service["spec"]["ports"].as_array().expect("ports");
    assert_eq!(ports.len(), 1, "{ports:?}");
    assert_eq!(ports[0]["port"], 80);
    assert_eq!(ports[0]["targetPort"], daemon.socket(80).port());
    let ingress = &service["status"]["loadBalancer"]["ingress"];
    assert_eq!(*ingress, json!([{"ip": daemon.address().to_string()}]));

    let own = "apiVersion: v1
kind: Service
metadata: {name: edge-edge}
spec: {ports: [{port: 1}]}
";
    folder.write("own.yaml", own);
    eventually("the Service of this name in the folder is shown", || {
        let service = daemon.admin_json(PATH);
        (service["spec"]["ports"][0]["port"] == 1).then_some(())
    });
}
