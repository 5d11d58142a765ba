//! Addresses on which Gateways listen.

use crate::support::client;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway, gateway_named, route, service};
use crate::support::network::{own_address, own_pool};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

const HOST: &str = "www.example.com";
const LISTENER: &str = "    - {name: http, protocol: HTTP, port: 80}\n";

fn two_gateways() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("other.yaml", gateway_named("other", LISTENER)),
        ("one.yaml", service("one")),
        ("two.yaml", service("two")),
        ("route.yaml", route("one", HOST)),
        (
            "route-2.yaml",
            route("two", HOST).replace("- name: edge", "- name: other"),
        ),
    ])
}

fn address(daemon: &Daemon, gateway: &str) -> IpAddr {
    let object = daemon.object("gateways", "default", gateway);
    let value = object["status"]["addresses"][0]["value"].as_str();
    value
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no address: {object:#}"))
}

#[test]
fn each_gateway_keeps_its_own_address_from_the_pool() {
    let folder = two_gateways();
    let daemon = Daemon::of(&folder)
        .without_address()
        .arg("--address-pool")
        .arg(own_pool())
        .echo()
        .start();
    let (edge, other) = (address(&daemon, "edge"), address(&daemon, "other"));
    assert_ne!(edge, other);
    let port = daemon.socket(80).port();
    assert_eq!(
        client::get(SocketAddr::new(edge, port), HOST, "/").backend(),
        "one"
    );
    assert_eq!(
        client::get(SocketAddr::new(other, port), HOST, "/").backend(),
        "two"
    );
    folder.write("aaa.yaml", gateway_named("aaa", LISTENER));
    crate::support::eventually("the third Gateway has an address", || {
        let list = daemon.admin_json("/apis/gateway.networking.k8s.io/v1/gateways");
        let all = list["items"]
            .as_array()?
            .iter()
            .find(|one| one["metadata"]["name"] == "aaa")?
            .clone();
        all["status"]["addresses"][0]["value"]
            .as_str()
            .map(str::to_owned)
    });
    assert_eq!(
        (address(&daemon, "edge"), address(&daemon, "other")),
        (edge, other),
        "addresses are stable"
    );
}

#[test]
fn binds_the_address_in_the_spec() {
    let folder = two_gateways();
    let own = own_address();
    folder.replace(
        "other.yaml",
        "  listeners:\n",
        &format!("  addresses: [{{type: IPAddress, value: {own}}}]\n  listeners:\n"),
    );
    let daemon = Daemon::of(&folder).echo().start();
    let port = daemon.socket(80).port();
    assert_eq!(
        client::get(SocketAddr::new(own, port), HOST, "/").backend(),
        "two"
    );
    assert_eq!(daemon.get(HOST, "/").backend(), "one");
}

#[test]
fn reports_unusable_addresses_and_unknown_address_types_in_conditions() {
    let folder = two_gateways();
    let gateway = |name: &str, address: &str| {
        gateway_named(name, LISTENER).replace(
            "  listeners:\n",
            &format!("  addresses: [{address}]\n  listeners:\n"),
        )
    };
    // 192.0.2.0/24 is for documentation; no host has it.
    folder.write(
        "far.yaml",
        gateway("far", "{type: IPAddress, value: 192.0.2.1}"),
    );
    folder.write(
        "odd.yaml",
        gateway("odd", "{type: example.com/odd, value: x}"),
    );
    let daemon = Daemon::of(&folder).echo().start();
    let of = |name: &str, kind: &str| -> Value {
        condition(&daemon.object("gateways", "default", name)["status"], kind).clone()
    };
    assert_eq!(of("far", "Programmed")["reason"], "AddressNotUsable");
    assert_eq!(of("odd", "Accepted")["reason"], "UnsupportedAddress");
    assert_eq!(daemon.get(HOST, "/").status, 200, "the rest is served");
}

#[test]
fn serves_only_classes_of_the_controller_name() {
    let folder = two_gateways();
    let daemon = Daemon::of(&folder)
        .arg("--controller-name")
        .arg("example.com/other-controller")
        .echo()
        .start();
    assert!(daemon.try_get(HOST, "/").is_err(), "nothing listens");
    let object = daemon.object("gateways", "default", "edge");
    assert!(
        object["status"]["conditions"]
            .as_array()
            .is_none_or(Vec::is_empty),
        "the Gateway of another controller must have no conditions: {object:#}"
    );
}
