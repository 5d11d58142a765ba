//! What stands in for objects that the folder lacks, each part by its own flag of `run`.

use crate::support::backend::TestBackend;
use crate::support::client::get;
use crate::support::daemon::{Daemon, KilledOnDrop, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::grpc::GrpcClient;
use crate::support::manifests::{
    condition, endpoint_slice, gateway, gateway_with, grpc_route, route, service,
};
use crate::support::network::{free_port, own_address};
use crate::support::tls::Authority;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

const HOST: &str = "shop.example.com";
const HTTPS: &str =
    "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: pair}]}}\n";

/// A folder whose only route has a backend that isn't there.
fn folder_without_service() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
    ])
}

/// The configuration of a client that trusts only the CA in a file.
fn trust(file: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(file).expect("the certificate of the CA");
    roots.add(certificate).expect("a trust anchor");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[test]
fn echo_answers_for_services_that_are_not_in_the_folder() {
    let folder = folder_without_service();
    let daemon = Daemon::of(&folder).start();
    assert_eq!(daemon.get(HOST, "/").status, 500, "without --echo");
    drop(daemon);

    let daemon = Daemon::of(&folder).arg("--echo").start();
    let answer = daemon.get(HOST, "/status/418?delay=1m");
    assert_eq!(answer.status, 200, "the backend has no paths of its own");
    assert_eq!(answer.json()["path"], "/status/418?delay=1m");
    assert_eq!(answer.json()["namespace"], "default");
    let asked = [("X-Echo-Set-Status", "418")];
    let answer = daemon.connect().get(HOST, "/", &asked).expect("an answer");
    assert_eq!(answer.status, 418);

    let status = daemon.admin("/status").json();
    assert_eq!(status["standIns"]["echo"][0], "default/shop:3000");
    let codes = status["diagnostics"].to_string();
    assert!(
        codes.contains("GF0535") && !codes.contains("GF0512"),
        "{codes}"
    );
    let route = daemon.object("httproutes", "default", "shop");
    assert_eq!(
        condition(&route["status"]["parents"][0], "ResolvedRefs")["status"],
        "True"
    );
    let echo = daemon.metric("gatefold_stand_ins{kind=\"echo\"}");
    assert!((echo - 1.0).abs() < f64::EPSILON, "{echo}");

    // A Service in the folder takes precedence, and so do its endpoints.
    let backend = TestBackend::start("real");
    folder.write("service.yaml", service("shop"));
    folder.write("slice.yaml", endpoint_slice("shop", backend.address()));
    eventually("the Service in the folder answers", || {
        let answer = daemon.get(HOST, "/");
        (answer.status == 200 && answer.text().contains("real")).then_some(())
    });
    let stand_ins = daemon.admin("/status").json()["standIns"]["echo"].to_string();
    assert_eq!(stand_ins, "[]");
}

#[test]
fn a_backend_flag_without_a_port_defines_a_service() {
    let backend = TestBackend::start("outside");
    let folder = folder_without_service();
    let flag = format!("--backend=default/shop={}", backend.address());
    let daemon = Daemon::of(&folder).arg(&flag).start();
    let answer = daemon.get(HOST, "/");
    assert!(answer.text().contains("outside"), "{answer:?}");
}

#[test]
fn echo_answers_grpc_calls() {
    let rules = "    - backendRefs: [{name: calls, port: 3000}]\n";
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("calls.yaml", grpc_route("calls", HOST, rules)),
    ]);
    let daemon = Daemon::of(&folder).arg("--echo").start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    let answer = client.call(HOST, "/shop.Cart/Add", "message");
    assert_eq!(answer.grpc_status(), Some(0), "{answer:?}");
    assert_eq!(answer.body, [0; 5], "one empty message");
    assert_eq!(answer.headers["echo-namespace"], "default");
    assert!(answer.trailers.is_some(), "{answer:?}");
}

#[test]
fn certificates_of_the_development_ca_stand_in_for_secrets() {
    let folder = folder_without_service();
    folder.write("gateway.yaml", gateway_with(HTTPS));
    let state = tempfile::tempdir().expect("a folder");
    let state = state.path().join("state");
    let flag = format!("--state-dir={}", state.display());
    let start = |folder| {
        let start = Daemon::of(folder).arg("--echo").arg("--dev-certificates");
        start.arg(&flag).start()
    };
    let daemon = start(&folder);
    let file = state.join("ca.crt");
    let connect = |daemon: &Daemon, host: &str| {
        let socket = daemon.socket(443);
        Authority::connect_with(trust(&file), socket, host)
    };
    let (mut client, _) = connect(&daemon, HOST).expect("a trusted certificate");
    assert_eq!(client.get(HOST, "/", &[]).expect("an answer").status, 200);
    assert!(
        connect(&daemon, "other.example.com").is_err(),
        "another name"
    );

    for (name, mode) in [("", 0o700), ("ca.crt", 0o600), ("ca.key", 0o600)] {
        let found = fs::metadata(state.join(name)).expect("it exists").mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    let gateway = daemon.object("gateways", "default", "edge");
    let listener = &gateway["status"]["listeners"][0];
    let resolved = condition(listener, "ResolvedRefs");
    assert_eq!(resolved["status"], "True");
    let message = resolved["message"].as_str().unwrap_or_default();
    assert!(message.contains("development CA"), "{message}");
    let status = daemon.admin("/status").json();
    assert_eq!(status["standIns"]["certificates"][0], "default/pair");

    // A new hostname, and a restart that keeps the CA for names that it permits.
    folder.write("other.yaml", route("other", "other.example.net"));
    eventually("a certificate for the new name", || {
        connect(&daemon, "other.example.net").ok().map(drop)
    });
    let before = fs::read(&file).expect("the CA");
    drop(daemon);
    let daemon = start(&folder);
    connect(&daemon, "other.example.net").expect("a trusted certificate");
    assert_eq!(fs::read(&file).expect("the CA"), before);

    let mut command = gatefold();
    let printed = command
        .args(["ca", &flag])
        .output()
        .expect("gatefold ca runs");
    assert!(printed.status.success());
    assert_eq!(printed.stdout, before);
    let advice = String::from_utf8_lossy(&printed.stderr).into_owned();
    assert!(advice.contains("curl --cacert"), "{advice}");
}

#[test]
fn the_ca_command_says_when_there_is_no_ca() {
    let state = tempfile::tempdir().expect("a folder");
    let mut command = gatefold();
    command.args(["ca", "--state-dir"]).arg(state.path());
    let output = command.output().expect("gatefold ca runs");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("gatefold dev"), "{error}");
    assert_eq!(fs::read_dir(state.path()).expect("a folder").count(), 0);
}

#[test]
fn echo_backends_speak_tls_where_a_policy_demands_it() {
    let policy = "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: shop}
spec:
  targetRefs: [{group: \"\", kind: Service, name: shop}]
  validation:
    hostname: shop.internal
    caCertificateRefs: [{group: \"\", kind: ConfigMap, name: missing}]\n";
    let folder = folder_without_service();
    folder.write("policy.yaml", policy);
    let state = tempfile::tempdir().expect("a folder");
    let flag = format!("--state-dir={}", state.path().display());

    // A policy without its CA certificates protects its Service, echo or not.
    let daemon = Daemon::of(&folder).arg("--echo").start();
    assert_eq!(daemon.get(HOST, "/").status, 500);
    drop(daemon);

    let start = Daemon::of(&folder).arg("--echo").arg("--dev-certificates");
    let daemon = start.arg(&flag).start();
    let answer = daemon.get(HOST, "/");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["tls"]["serverName"], "shop.internal");
    let policies = daemon.object("backendtlspolicies", "default", "shop");
    let accepted = condition(&policies["status"]["ancestors"][0], "Accepted");
    assert_eq!(accepted["status"], "True", "{accepted}");

    // A real endpoint isn't trusted in the same way.
    let backend = TestBackend::start("real");
    folder.write("service.yaml", service("shop"));
    folder.write("slice.yaml", endpoint_slice("shop", backend.address()));
    eventually("nothing is sent to the real endpoint", || {
        (daemon.get(HOST, "/").status == 500).then_some(())
    });
}

#[test]
fn no_stand_in_is_served_where_other_hosts_can_reach_it() {
    let folder = folder_without_service();
    folder.write("gateway.yaml", gateway_with(HTTPS));
    let check = |flags: &[&str]| {
        let mut command = gatefold();
        command
            .args(["check", "--echo", "--dev-certificates"])
            .args(flags);
        let output = command.arg(folder.path()).output().expect("check runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = check(&["--address=192.0.2.1"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("--dev-certificates-allow-remote"), "{text}");
    for flags in [
        &["--address=192.0.2.1", "--dev-certificates-allow-remote"][..],
        &["--address=127.0.0.1"],
    ] {
        let (code, text) = check(flags);
        assert_eq!(code, Some(0), "{text}");
    }
}

#[test]
fn what_a_policy_protects_stays_closed_unless_asked_otherwise() {
    let policy = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: auth}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]
  basicAuth: {users: {name: users}}\n";
    let folder = folder_without_service();
    folder.write("policy.yaml", policy);
    let daemon = Daemon::of(&folder).arg("--echo").start();
    assert_eq!(daemon.get(HOST, "/").status, 500);
    drop(daemon);
    let start = Daemon::of(&folder).arg("--echo");
    let daemon = start.arg("--dev-allow-auth").start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    assert!(daemon.log().contains("--dev-allow-auth"), "said at start");
    let found = daemon.wait_for_diagnostic("GF0525");
    let message = found["message"].as_str().unwrap_or_default();
    assert!(message.contains("--dev-allow-auth"), "{found}");
    // Now the policy can be enforced.
    let users = "apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {.htpasswd: 'user1:{SHA}tESsBmE/yNY3lb6a0L6vVQEZNqw='}\n";
    folder.write("users.yaml", users);
    daemon.wait_for_status(HOST, "/", 401);
}

#[test]
fn allow_auth_ignores_a_client_traffic_policy_that_cannot_be_enforced() {
    let policies = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: local}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]
  authorization:
    defaultAction: Deny
    rules: [{action: Allow, principal: {clientCIDRs: [NETWORK]}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {name: proxied}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  SETTING\n";
    let folder = folder_without_service();
    for setting in [
        "headers: {earlyRequestHeaders: {remove: [Content-Length]}}",
        "tls: {clientValidation: {caCertificateRefs: [{name: gone}]}}",
    ] {
        let policies = policies.replace("SETTING", setting);
        folder.write("policies.yaml", policies.replace("NETWORK", "127.0.0.0/8"));
        let daemon = Daemon::of(&folder).arg("--echo").start();
        assert_eq!(daemon.get(HOST, "/").status, 500);
        drop(daemon);
        let start = Daemon::of(&folder).arg("--echo");
        let daemon = start.arg("--dev-allow-auth").start();
        assert_eq!(daemon.get(HOST, "/").status, 200);
        folder.write("policies.yaml", policies.replace("NETWORK", "192.0.2.0/24"));
        daemon.wait_for_status(HOST, "/", 403);
    }
}

#[test]
fn an_echo_backend_can_have_no_paths_of_its_own() {
    let ip = own_address();
    let socket = std::net::SocketAddr::new(ip, free_port(ip));
    let mut command = gatefold();
    command.args(["echo", "--no-own-paths", "--listen", &socket.to_string()]);
    let _process = KilledOnDrop(command.spawn().expect("gatefold echo starts"));
    let answer = eventually("the echo backend answers", || {
        std::net::TcpStream::connect(socket).ok()?;
        Some(get(socket, HOST, "/health"))
    });
    assert_eq!(answer.json()["path"], "/health");
}
