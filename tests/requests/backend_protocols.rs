//! Protocols of connections to backends: HTTP/2, and TLS by a BackendTLSPolicy.

use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, endpoint_slice, gateway, route, service};
use crate::support::network::{free_port, own_address};
use crate::support::tls::{Authority, Pair, config_map, secret, server_config};
use rustls::{ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

const HOST: &str = "www.example.com";

/// Starts a TLS backend that answers every request with 200. It does not answer without TLS.
fn secure_backend(pair: &Pair, clients: Option<&Authority>) -> SocketAddr {
    let ip = own_address();
    let address = SocketAddr::new(ip, free_port(ip));
    let listener = TcpListener::bind(address).expect("the backend's socket");
    let config = server_config(pair, clients);
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let config = config.clone();
            thread::spawn(move || {
                let session = ServerConnection::new(config).expect("a session");
                let mut wire = BufReader::new(StreamOwned::new(session, tcp));
                let mut line = String::new();
                while wire.read_line(&mut line).is_ok_and(|length| length > 0) {
                    if line == "\r\n" {
                        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsafe";
                        let sent = wire.get_mut().write_all(answer.as_bytes());
                        sent.and_then(|()| wire.get_mut().flush()).ok();
                    }
                    line.clear();
                }
            });
        }
    });
    address
}

fn policy(name: &str, hostname: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  name: {name}
spec:
  targetRefs: [{{group: '', kind: Service, name: shop}}]
  validation:
    hostname: {hostname}
    caCertificateRefs: [{{group: '', kind: ConfigMap, name: authority}}]
"
    )
}

/// A folder with a route to a TLS backend, and the ConfigMap of its authority.
fn folder(backend: SocketAddr, authority: &Authority) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", service("shop")),
        ("slice.yaml", endpoint_slice("shop", backend)),
        ("authority.yaml", config_map("authority", &authority.pem())),
    ])
}

/// The reason of the policy's Accepted condition.
fn accepted(daemon: &Daemon, name: &str) -> String {
    let policy = daemon.object("backendtlspolicies", "default", name);
    let ancestor = &policy["status"]["ancestors"][0];
    assert_eq!(ancestor["ancestorRef"]["name"], "edge", "{policy:#}");
    let accepted = condition(ancestor, "Accepted");
    accepted["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn requests_to_an_h2c_service_use_http2() {
    let port = "      port: 3000\n";
    let h2c = service("shop").replace(
        port,
        &format!("{port}      appProtocol: kubernetes.io/h2c\n"),
    );
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", h2c),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    let answer = daemon.get(HOST, "/");
    assert_eq!(answer.json()["proto"], "HTTP/2.0", "{answer:?}");
}

#[test]
fn a_policy_enables_tls_and_follows_changes_of_its_config_map() {
    let (authority, other) = (Authority::new(), Authority::new());
    let backend = secure_backend(&authority.issue("shop.internal"), None);
    let folder = folder(backend, &authority);
    folder.write("policy.yaml", policy("shop", "shop.internal"));
    let daemon = Daemon::of(&folder).start();
    assert_eq!(daemon.wait_for_status(HOST, "/", 200).body, b"safe");
    assert_eq!(accepted(&daemon, "shop"), "Accepted");

    folder.write("authority.yaml", config_map("authority", &other.pem()));
    daemon.wait_for_status(HOST, "/", 502);
    folder.write("authority.yaml", config_map("authority", &authority.pem()));
    daemon.wait_for_status(HOST, "/", 200);

    folder.write("authority.yaml", config_map("authority", ""));
    daemon.wait_for_status(HOST, "/", 500);
    // Statuses are published after the snapshot.
    eventually("the policy is refused", || {
        (accepted(&daemon, "shop") == "NoValidCACertificate").then_some(())
    });
    folder.write("authority.yaml", config_map("authority", &authority.pem()));
    daemon.wait_for_status(HOST, "/", 200);

    folder.write("policy.yaml", policy("shop", "other.internal"));
    daemon.wait_for_status(HOST, "/", 502);
}

#[test]
fn the_first_of_two_policies_for_a_service_applies() {
    let authority = Authority::new();
    let backend = secure_backend(&authority.issue("shop.internal"), None);
    let folder = folder(backend, &authority);
    folder.write("b.yaml", policy("b", "other.internal"));
    folder.write("a.yaml", policy("a", "shop.internal"));
    let daemon = Daemon::of(&folder).start();
    daemon.wait_for_status(HOST, "/", 200);
    assert_eq!(accepted(&daemon, "b"), "Conflicted");
    folder.remove("a.yaml");
    daemon.wait_for_status(HOST, "/", 502);
    eventually("the other policy is in force", || {
        (accepted(&daemon, "b") == "Accepted").then_some(())
    });
}

#[test]
fn presents_the_certificate_of_the_gateway_to_a_backend_that_requests_one() {
    let authority = Authority::new();
    let backend = secure_backend(&authority.issue("shop.internal"), Some(&authority));
    let client = authority.issue("edge.internal");
    let tls = "  tls: {backend: {clientCertificateRef: {name: client}}}\n";
    let folder = folder(backend, &authority);
    folder.write("gateway.yaml", gateway() + tls);
    folder.write("policy.yaml", policy("shop", "shop.internal"));
    let write_client = |pair: &Pair| {
        let text = secret("client", &pair.certificate, &pair.key);
        folder.write("client.yaml", text);
    };
    write_client(&client);
    let daemon = Daemon::of(&folder).start();
    daemon.wait_for_status(HOST, "/", 200);
    folder.remove("client.yaml");
    daemon.wait_for_status(HOST, "/", 502);
    let edge = eventually("the reference is refused", || {
        let edge = daemon.object("gateways", "default", "edge");
        let reason = &condition(&edge["status"], "ResolvedRefs")["reason"];
        (reason == "InvalidClientCertificateRef").then_some(edge)
    });
    let accepted = condition(&edge["status"], "Accepted");
    assert_eq!(
        accepted["status"], "True",
        "the Gateway must be served nevertheless"
    );
    let other = Authority::new().issue("edge.internal");
    write_client(&other);
    eventually("the Secret is read", || {
        let edge = daemon.object("gateways", "default", "edge");
        (condition(&edge["status"], "ResolvedRefs")["status"] == "True").then_some(())
    });
    assert_eq!(
        daemon.get(HOST, "/").status,
        502,
        "a certificate of another authority"
    );
    write_client(&client);
    daemon.wait_for_status(HOST, "/", 200);
}
