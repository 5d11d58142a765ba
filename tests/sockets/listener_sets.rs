//! ListenerSets: listeners of a Gateway in separate objects.

use crate::support::client;
use crate::support::daemon::{Daemon, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_named, route, service};
use crate::support::tls::{Authority, secret};
use serde_json::Value;

const HOST: &str = "team.example.com";

/// A Gateway with an HTTP listener on port 80, which allows ListenerSets of its namespace.
fn gateway() -> String {
    gateway_named("edge", "    - {name: http, protocol: HTTP, port: 80}\n")
        + "  allowedListeners: {namespaces: {from: Same}}\n"
}

fn listener_set(name: &str, listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata:
  name: {name}
spec:
  parentRef:
    name: edge
  listeners:
{listeners}"
    )
}

/// A route `shop` of the ListenerSet `team`.
fn route_of_set() -> String {
    route("shop", HOST).replace(
        "    - name: edge\n",
        "    - kind: ListenerSet\n      name: team\n",
    )
}

fn folder() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route_of_set()),
        ("shop.yaml", service("shop")),
    ])
}

fn status(daemon: &Daemon, port: u16) -> Option<u16> {
    let answer = client::try_get(daemon.socket(port), HOST, "/").ok()?;
    Some(answer.status)
}

fn attached(daemon: &Daemon) -> Value {
    daemon.object("gateways", "default", "edge")["status"]["attachedListenerSets"].clone()
}

#[test]
fn a_listener_set_is_added_and_removed_while_its_gateway_serves() {
    let folder = folder();
    let daemon = Daemon::of(&folder).port(81).echo().start();
    assert_eq!(
        status(&daemon, 80),
        Some(404),
        "the route has no parent yet"
    );
    assert_eq!(attached(&daemon), 0);

    let listeners = "    - {name: http, protocol: HTTP, port: 81}\n    - {name: same-port, protocol: HTTP, port: 80, hostname: team.example.com}\n";
    folder.write("team.yaml", listener_set("team", listeners));
    eventually("both listeners serve the route", || {
        (status(&daemon, 80) == Some(200) && status(&daemon, 81) == Some(200)).then_some(())
    });
    let other = client::get(daemon.socket(80), "other.example.com", "/");
    assert_eq!(
        other.status, 404,
        "the Gateway's own listener must have no route"
    );
    // Statuses are published after the snapshot.
    let set = eventually("the set is programmed", || {
        let set = daemon.try_object("listenersets", "default", "team")?;
        let holds = |kind| condition(&set["status"], kind)["status"] == "True";
        (holds("Accepted") && holds("Programmed")).then_some(set)
    });
    assert_eq!(set["status"]["listeners"][0]["attachedRoutes"], 1);
    assert_eq!(attached(&daemon), 1);
    let own = &daemon.object("gateways", "default", "edge")["status"]["listeners"];
    assert_eq!(
        own.as_array().map(Vec::len),
        Some(1),
        "the status must contain only the Gateway's own listener"
    );

    folder.remove("team.yaml");
    eventually("port 81 is closed", || {
        (status(&daemon, 81).is_none() && status(&daemon, 80) == Some(404)).then_some(())
    });
}

#[test]
fn a_listener_set_uses_its_own_certificate() {
    let authority = Authority::new();
    let pair = authority.issue(HOST);
    let folder = folder();
    folder.write("cert.yaml", secret("cert", &pair.certificate, &pair.key));
    let listeners =
        "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";
    folder.write("team.yaml", listener_set("team", listeners));
    let daemon = Daemon::of(&folder).port(443).echo().start();
    let connected = authority.connect(daemon.socket(443), HOST);
    let (mut client, served) = connected.expect("the set's listener speaks TLS");
    assert_eq!(served, pair.der);
    let answer = client.get(HOST, "/", &[]).expect("an answer");
    assert_eq!(answer.status, 200);
}

#[test]
fn a_gateway_that_stops_allowing_listener_sets_stops_serving_them() {
    let folder = folder();
    let listeners = "    - {name: http, protocol: HTTP, port: 81}\n";
    folder.write("team.yaml", listener_set("team", listeners));
    let daemon = Daemon::of(&folder).port(81).echo().start();
    assert_eq!(status(&daemon, 81), Some(200));
    folder.write("gateway.yaml", gateway().replace("Same", "None"));
    eventually("port 81 is closed", || {
        status(&daemon, 81).is_none().then_some(())
    });
    eventually("the set is refused", || {
        let set = daemon.object("listenersets", "default", "team");
        let accepted = condition(&set["status"], "Accepted");
        (accepted["reason"] == "NotAllowed").then_some(())
    });
    daemon.wait_for_diagnostic("GF0411");
}

#[test]
fn get_accepts_the_names_of_listener_sets_that_kubectl_accepts() {
    let folder = folder();
    let listeners = "    - {name: http, protocol: HTTP, port: 80, hostname: team.example.com}\n";
    folder.write("team.yaml", listener_set("team", listeners));
    let daemon = Daemon::of(&folder).echo().start();
    for name in ["listenersets", "ListenerSet", "lset"] {
        let mut get = gatefold();
        get.args(["get", name, "--admin", &daemon.admin_address()]);
        let output = get.output().expect("gatefold runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("team") && text.contains("PROGRAMMED"),
            "{text}"
        );
    }
}
