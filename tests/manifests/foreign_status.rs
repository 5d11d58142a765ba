//! The `status` in an object's file: entries of other controllers are kept, and no mistake in it breaks the object.

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_with, route, service};
use serde_json::{Value, json};

const HOST: &str = "www.example.com";
const OURS: &str = "example.com/gateway-controller";
const THEIRS: &str = "other.example/controller";

/// A condition of a type that gatefold doesn't report.
fn seeded() -> Value {
    json!({
        "type": "example.net/Seeded", "status": "Unknown", "reason": "Seeded", "observedGeneration": 3,
        "lastTransitionTime": "2026-01-01T08:00:00+01:00", "message": "",
    })
}

/// An outdated condition of a type that gatefold reports.
fn stale() -> Value {
    json!({
        "type": "Accepted", "status": "False", "reason": "Stale", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T08:00:00Z", "message": "left by an export",
    })
}

/// A manifest with a status. JSON is valid YAML.
fn with_status(manifest: &str, status: &Value) -> String {
    format!("{manifest}status: {status}\n")
}

fn parent(controller: &str, name: &str) -> Value {
    json!({
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name, "namespace": "default"},
        "controllerName": controller,
        "conditions": [stale()],
    })
}

/// The Gateway without its class.
fn gateway_alone(listeners: &str) -> String {
    let both = gateway_with(listeners);
    let (_, gateway) = both.split_once("---\n").expect("two documents");
    gateway.to_owned()
}

const CLASS: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: edge}
spec: {controllerName: example.com/gateway-controller}
";
const LISTENER_SET: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more}
spec:
  parentRef: {name: edge}
  listeners: [{name: more, protocol: HTTP, port: 80, hostname: more.example.com}]
";
const POLICY: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: policy}
spec:
  targetRefs: [{group: \"\", kind: Service, name: one}]
  validation: {hostname: one.example.com, wellKnownCACertificates: System}
";
const LISTENER: &str =
    "    - {name: http, protocol: HTTP, port: 80}\n  allowedListeners: {namespaces: {from: All}}\n";

fn conditions_of(status: &Value) -> &Vec<Value> {
    status["conditions"].as_array().expect("conditions")
}

/// Asserts that the foreign condition is kept and the stale one is replaced.
fn assert_merged(status: &Value, what: &str) {
    let conditions = conditions_of(status);
    let of = |kind: &'static str| conditions.iter().filter(move |it| it["type"] == kind);
    let foreign: Vec<&Value> = of("example.net/Seeded").collect();
    assert_eq!(foreign, [&seeded()], "{what}: {status:#}");
    assert_eq!(of("Accepted").count(), 1, "{what}: {status:#}");
    assert_ne!(condition(status, "Accepted")["reason"], "Stale", "{what}");
}

#[test]
fn keeps_conditions_of_types_that_gatefold_does_not_report() {
    let status = json!({
        "conditions": [seeded(), stale()],
        "listeners": [
            {"name": "http", "attachedRoutes": 7, "supportedKinds": [], "conditions": [seeded(), stale()]},
            {"name": "more", "attachedRoutes": 7, "supportedKinds": [], "conditions": [stale(), seeded()]},
        ],
    });
    let folder = Folder::with([
        ("class.yaml", with_status(CLASS, &status)),
        (
            "gateway.yaml",
            with_status(&gateway_alone(LISTENER), &status),
        ),
        ("set.yaml", with_status(LISTENER_SET, &status)),
    ]);
    let daemon = Daemon::of(&folder).start();
    let class = daemon.admin_json("/apis/gateway.networking.k8s.io/v1/gatewayclasses/edge");
    assert_merged(&class["status"], "GatewayClass");
    for (resource, name) in [("gateways", "edge"), ("listenersets", "more")] {
        let object = daemon.object(resource, "default", name);
        let listeners = object["status"]["listeners"].as_array().expect("listeners");
        assert_merged(&object["status"], resource);
        assert_eq!(listeners.len(), 1, "{object:#}");
        assert_merged(&listeners[0], resource);
        assert_eq!(listeners[0]["attachedRoutes"], 0, "{object:#}");
    }
}

#[test]
fn keeps_entries_of_other_controllers_and_replaces_its_own() {
    let mut own = parent(OURS, "edge");
    own["conditions"] = json!([stale(), seeded()]);
    let entries = json!([own, parent(THEIRS, "edge"), parent(OURS, "gone")]);
    let ancestors = entries.as_array().expect("a list").iter().map(|entry| {
        let mut entry = entry.clone();
        let fields = entry.as_object_mut().expect("fields");
        let reference = fields.remove("parentRef").expect("a reference");
        fields.insert("ancestorRef".to_owned(), reference);
        entry
    });
    let ancestors: Vec<Value> = ancestors.collect();
    let folder = Folder::with([
        ("class.yaml", CLASS.to_owned()),
        ("gateway.yaml", gateway_alone(LISTENER)),
        (
            "route.yaml",
            with_status(&route("one", HOST), &json!({"parents": entries})),
        ),
        ("one.yaml", service("one")),
        (
            "policy.yaml",
            with_status(POLICY, &json!({"ancestors": ancestors})),
        ),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    for (resource, name, list, theirs) in [
        ("httproutes", "one", "parents", &entries[1]),
        ("backendtlspolicies", "policy", "ancestors", &ancestors[1]),
    ] {
        let status = &daemon.object(resource, "default", name)["status"];
        let shown = status[list].as_array().expect("a list");
        assert_eq!(shown.len(), 2, "{status:#}");
        assert_eq!(shown[0]["controllerName"], OURS, "{status:#}");
        assert_merged(&shown[0], resource);
        assert_eq!(&shown[1], theirs, "{resource}");
    }
    // Without the status in the file, the entry disappears.
    folder.write("route.yaml", route("one", HOST));
    eventually("the entry disappears with the file's status", || {
        let object = daemon.object("httproutes", "default", "one");
        let parents = object["status"]["parents"].as_array()?;
        (parents.len() == 1).then_some(())
    });
}

#[test]
fn shows_the_entries_of_a_route_that_only_others_serve() {
    let status = json!({"parents": [parent(THEIRS, "theirs")]});
    let manifest = route("one", HOST).replace("name: edge", "name: theirs");
    let folder = Folder::with([
        (
            "gateway.yaml",
            gateway_with("    - {name: http, protocol: HTTP, port: 80}\n"),
        ),
        ("route.yaml", with_status(&manifest, &status)),
    ]);
    let daemon = Daemon::of(&folder).start();
    let shown = &daemon.object("httproutes", "default", "one")["status"];
    assert_eq!(*shown, status);
}

/// Writes the route with a generation and a status, and returns the number of entries in the shown status.
#[track_caller]
fn write_status(folder: &Folder, daemon: &Daemon, generation: i32, status: &Value) -> usize {
    let manifest = route("one", HOST).replace(
        "  name: one\n",
        &format!("  name: one\n  generation: {generation}\n"),
    );
    folder.write("route.yaml", with_status(&manifest, status));
    eventually("the new status is read", || {
        let object = daemon.object("httproutes", "default", "one");
        let parents = object["status"]["parents"].as_array()?;
        let condition = &parents.first()?["conditions"][0];
        (condition["observedGeneration"] == generation).then_some(parents.len())
    })
}

#[test]
fn a_malformed_status_is_only_a_warning() {
    let good = parent(THEIRS, "edge");
    let mut without_time = parent("a.example/x", "edge");
    let fields = without_time["conditions"][0].as_object_mut();
    fields.expect("fields").remove("lastTransitionTime");
    let crowded = json!({"parentRef": {"name": "edge"}, "controllerName": "a.example/y", "conditions": vec![stale(); 9]});
    let malformed = json!([7, {}, without_time, crowded, good]);
    let cases = [
        (json!({"parents": malformed}), 4, 2),
        (json!({"parents": "none"}), 1, 1),
        (json!({"parents": null}), 0, 1),
        (json!(["parents"]), 1, 1),
        (json!(null), 0, 1),
        (json!({}), 0, 1),
    ];
    let folder = Folder::with([
        (
            "gateway.yaml",
            gateway_with("    - {name: http, protocol: HTTP, port: 80}\n"),
        ),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    daemon.wait_for_status(HOST, "/", 200);
    for (generation, (status, warnings, entries)) in (2..).zip(cases) {
        let shown = write_status(&folder, &daemon, generation, &status);
        assert_eq!(shown, entries, "{status}");
        let summary = daemon.admin_json("/status");
        let all = summary["diagnostics"].as_array().expect("diagnostics");
        let found = all.iter().filter(|it| it["code"] == "GF0552");
        assert_eq!(found.count(), warnings, "{status}: {all:#?}");
        assert!(all.iter().all(|it| it["severity"] != "error"), "{all:#?}");
        assert_eq!(daemon.get(HOST, "/").status, 200);
    }
    // Outside of the status, a duplicate key is an error.
    let duplicate = "status: {parents: [], parents: []}\n";
    folder.write("route.yaml", route("one", HOST) + duplicate);
    let found = daemon.wait_for_diagnostic("GF0105");
    assert_eq!(found["severity"], "warning", "{found:#}");
    assert_eq!(daemon.get(HOST, "/").status, 200);
}
