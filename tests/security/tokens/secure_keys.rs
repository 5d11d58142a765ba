//! Keys that are fetched over TLS, and from the endpoints of Services.

use super::{folder, status};
use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::key_server::{KeyServer, KeyServerBehavior};
use crate::support::manifests::{endpoint_slice, service};
use crate::support::tls::{Authority, config_map};
use crate::support::tokens::{TokenIssuer, jwks};
use serde_json::json;

fn served(issuer: &TokenIssuer) -> KeyServerBehavior {
    KeyServerBehavior::Body(jwks(&[issuer]))
}

/// `jwt` with keys at a URL, from the endpoints of a Service.
fn at_service(scheme: &str) -> String {
    format!(
        "jwt: {{providers: [{{name: idp, remoteJWKS: {{uri: '{scheme}://idp.example/keys', backendRefs: [{{name: idp, port: 3000}}]}}}}]}}"
    )
}

/// Starts a daemon that trusts an authority as if the system did.
fn trusting(folder: &Folder, authority: &Authority) -> Daemon {
    let path = folder.path().join(".authorities.pem");
    std::fs::write(&path, authority.pem()).expect("the authority's file");
    let path = path.into_os_string();
    let start = Daemon::of(folder).echo().environment("SSL_CERT_FILE", path);
    start.start()
}

#[track_caller]
fn wait_until_accepted(daemon: &Daemon, issuer: &TokenIssuer) {
    let token = issuer.token(&json!({}));
    eventually("the keys are in force", || {
        (status(daemon, &token) == 200).then_some(())
    });
}

#[track_caller]
fn assert_tls_fails(daemon: &Daemon, issuer: &TokenIssuer) {
    let found = daemon.wait_for_diagnostic("GF0560");
    let message = found["message"].as_str().expect("a message");
    assert!(message.contains("TLS handshake"), "{message}");
    assert_eq!(status(daemon, &issuer.token(&json!({}))), 401);
}

#[test]
fn keys_are_fetched_by_https_from_a_server_that_the_system_trusts() {
    let (issuer, authority) = (TokenIssuer::new("key-1"), Authority::new());
    let server = KeyServer::secure_at_own_name(served(&issuer), &authority);
    let url = server.url().replace("http://", "https://");
    let settings = format!("jwt: {{providers: [{{name: idp, remoteJWKS: {{uri: '{url}'}}}}]}}");
    let first = folder(&settings);
    let daemon = trusting(&first, &authority);
    wait_until_accepted(&daemon, &issuer);
    let second = folder(&settings);
    let daemon = trusting(&second, &Authority::new());
    assert_tls_fails(&daemon, &issuer);
}

#[test]
fn https_url_of_a_service_without_a_policy_is_verified_by_the_system_s_authorities() {
    let (issuer, authority) = (TokenIssuer::new("key-1"), Authority::new());
    let folder = folder(&at_service("https"));
    let server = KeyServer::secure(served(&issuer), &authority.issue("idp.example"));
    folder.write("idp.yaml", service("idp"));
    folder.write(
        "idp-endpoints.yaml",
        endpoint_slice("idp", server.address()),
    );
    let daemon = trusting(&folder, &authority);
    wait_until_accepted(&daemon, &issuer);
    // A certificate for another name.
    let other = KeyServer::secure(served(&issuer), &authority.issue("other.example"));
    let folder = self::folder(&at_service("https"));
    folder.write("idp.yaml", service("idp"));
    folder.write("idp-endpoints.yaml", endpoint_slice("idp", other.address()));
    let daemon = trusting(&folder, &authority);
    assert_tls_fails(&daemon, &issuer);
}

#[test]
fn keys_come_from_the_endpoints_of_a_service() {
    let issuer = TokenIssuer::new("key-1");
    let server = KeyServer::start(served(&issuer));
    let folder = folder(&at_service("http"));
    folder.write("idp.yaml", service("idp"));
    // An endpoint that isn't there.
    let gone = "127.0.0.1:1".parse().expect("an address");
    folder.write("idp-endpoints.yaml", endpoint_slice("idp", gone));
    // Without echo backends, which would take the place of the Service.
    let shop = TestBackend::start("shop");
    folder.write(
        "shop-endpoints.yaml",
        endpoint_slice("shop", shop.address()),
    );
    let daemon = Daemon::of(&folder).start();
    daemon.wait_for_diagnostic("GF0560");
    folder.write(
        "idp-endpoints.yaml",
        endpoint_slice("idp", server.address()),
    );
    wait_until_accepted(&daemon, &issuer);
    folder.remove("idp.yaml");
    eventually("the policy closes without the Service", || {
        (status(&daemon, &issuer.token(&json!({}))) == 500).then_some(())
    });
}

#[test]
fn a_backend_tls_policy_decides_how_keys_are_fetched() {
    let (issuer, authority) = (TokenIssuer::new("key-1"), Authority::new());
    let server = KeyServer::secure(served(&issuer), &authority.issue("keys.internal"));
    let folder = folder(&at_service("http"));
    folder.write("idp.yaml", service("idp"));
    folder.write(
        "idp-endpoints.yaml",
        endpoint_slice("idp", server.address()),
    );
    folder.write("authority.yaml", config_map("authority", &authority.pem()));
    let policy = |hostname: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: idp}}
spec:
  targetRefs: [{{group: '', kind: Service, name: idp}}]
  validation:
    hostname: {hostname}
    caCertificateRefs: [{{group: '', kind: ConfigMap, name: authority}}]
"
        )
    };
    folder.write("tls.yaml", policy("other.internal"));
    let daemon = Daemon::of(&folder).echo().start();
    assert_tls_fails(&daemon, &issuer);
    folder.write("tls.yaml", policy("keys.internal"));
    wait_until_accepted(&daemon, &issuer);
}
