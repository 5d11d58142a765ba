//! Addresses of several Gateways: those of a cluster in `check`, and those of this host in `run`.

use crate::support::client;
use crate::support::daemon::{Daemon, gatefold};
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, gateway_named, route, service};
use std::net::SocketAddr;
use std::process::Output;

/// Two Gateways on port 80 with a route each.
fn two_gateways() -> Folder {
    let internal = gateway_named("internal", "    - {name: http, protocol: HTTP, port: 80}\n");
    let route_of = |name: &str, gateway: &str| {
        let hostname = format!("{name}.example.com");
        route(name, &hostname).replace("name: edge\n", &format!("name: {gateway}\n"))
    };
    Folder::with([
        ("gateway.yaml", gateway()),
        ("internal.yaml", internal),
        ("shop.yaml", service("shop")),
        ("shop-route.yaml", route_of("shop", "edge")),
        ("blog.yaml", service("blog")),
        ("blog-route.yaml", route_of("blog", "internal")),
    ])
}

fn output(folder: &Folder, command: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut gatefold = gatefold();
    gatefold.arg(command).arg(folder.path()).args(arguments);
    let Output { status, stdout, .. } = gatefold.output().expect("gatefold runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned())
}

#[test]
fn check_gives_each_gateway_an_address_of_its_own_as_a_cluster_does() {
    let folder = two_gateways();
    let (code, text) = output(&folder, "check", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("GF0406"), "{text}");
}

#[test]
fn check_judges_as_run_if_a_flag_gives_addresses_or_ports() {
    let folder = two_gateways();
    for (command, flags) in [
        ("check", &["--address", "127.0.0.1"][..]),
        ("check", &["--port-map", "80=8080"]),
        ("run", &["--check"]),
    ] {
        let (code, text) = output(&folder, command, flags);
        assert_eq!(code, Some(1), "{command} {flags:?}: {text}");
        for part in [
            "GF0406",
            "the other listener",
            "--address-pool CIDR",
            "--address default/internal=IP,default/edge=IP",
            "GF0534",
            "`blog.example.com` receives no traffic",
        ] {
            assert!(text.contains(part), "{command} {flags:?}, {part}: {text}");
        }
    }
    let separate = [
        &["--address-pool", "127.83.0.0/24"][..],
        &["--address", "127.83.0.1,default/internal=127.83.0.2"],
        &[
            "--address",
            "edge=127.83.0.1",
            "--address",
            "internal=127.83.0.2",
        ],
    ];
    for flags in separate {
        let (code, text) = output(&folder, "check", flags);
        assert_eq!(code, Some(0), "{flags:?}: {text}");
        let addresses = text.contains("127.83.0.1") && text.contains("127.83.0.2");
        assert!(addresses, "{flags:?}: {text}");
    }
}

#[test]
fn refuses_an_address_that_names_no_gateway() {
    let folder = two_gateways();
    let (code, _) = output(&folder, "check", &["--address", "=127.0.0.1"]);
    assert_eq!(code, Some(2));
}

#[test]
fn run_serves_each_gateway_at_its_given_address() {
    let folder = two_gateways();
    let given = "127.83.7.1";
    let daemon = Daemon::of(&folder)
        .echo()
        .arg("--address")
        .arg(format!("internal={given}"))
        .start();
    let port = daemon.socket(80).port();
    let internal = SocketAddr::new(given.parse().expect("an address"), port);
    assert_eq!(daemon.get("shop.example.com", "/").status, 200);
    assert_eq!(client::get(internal, "blog.example.com", "/").status, 200);
    assert_eq!(
        daemon.get("blog.example.com", "/").status,
        404,
        "the route belongs to the other Gateway"
    );
    let status = daemon.object("gateways", "default", "internal");
    assert_eq!(status["status"]["addresses"][0]["value"], given);
}

#[test]
fn a_load_balancer_annotation_is_named_with_the_address_in_use() {
    let folder = two_gateways();
    folder.replace(
        "internal.yaml",
        "  name: internal\n",
        "  name: internal\n  annotations: {metallb.io/loadBalancerIPs: 192.0.2.7}\n",
    );
    let (code, text) = output(&folder, "check", &["--address-pool", "127.83.0.0/24"]);
    assert_eq!(code, Some(0), "{text}");
    let expected = "the address of this Gateway is `192.0.2.7`; here it listens on 127.83.0.2";
    assert!(text.contains(expected), "{text}");
    let (_, text) = output(&folder, "check", &[]);
    let expected = "in a cluster, the address of this Gateway is `192.0.2.7`";
    assert!(
        text.contains(expected) && !text.contains("listens on"),
        "{text}"
    );
}
