//! Where providers are, and what of them has to be known.

use super::{HOST, ancestor, folder, start, trusting, wait_for_provider};
use crate::support::browser::Browser;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, service};
use crate::support::openid_provider::{CLIENT_ID, OpenIdProvider};
use crate::support::tls::{Authority, config_map};
use crate::support::tokens::TokenIssuer;
use serde_json::json;

const ISSUER: &str = "https://idp.example/realms/shop";

/// `oidc` with these fields of the provider.
fn provider(fields: &str) -> String {
    format!(
        "oidc: {{provider: {{{fields}}}, clientID: {CLIENT_ID}, clientSecret: {{name: client}}}}"
    )
}

/// A folder whose provider is a Service.
fn behind_service(fields: &str, server: &OpenIdProvider) -> Folder {
    let folder = folder(&provider(&format!(
        "{fields}, backendRefs: [{{name: idp, port: 3000}}]"
    )));
    folder.write("idp.yaml", service("idp"));
    folder.write(
        "idp-endpoints.yaml",
        endpoint_slice("idp", server.address()),
    );
    folder
}

#[track_caller]
fn assert_logs_in(daemon: &Daemon, provider: &OpenIdProvider) {
    let mut browser = Browser::default();
    let back = browser.log_in(daemon, provider, HOST, "/");
    assert_eq!(back.status, 302, "{}", back.text());
    assert_eq!(browser.get(daemon, HOST, "/").status, 200);
}

#[test]
fn nothing_is_fetched_if_the_policy_names_the_endpoints() {
    let authority = Authority::new();
    let server = OpenIdProvider::start(&authority);
    let issuer = server.issuer().to_owned();
    let fields = format!(
        "issuer: '{issuer}', authorizationEndpoint: '{issuer}/authorize', tokenEndpoint: '{issuer}/token'"
    );
    let folder = folder(&provider(&fields));
    let daemon = trusting(&folder, &authority).start();
    assert_eq!(daemon.get(HOST, "/").status, 302, "known from the start");
    // TLS vouches for the ID token, whatever signs it.
    server.change(|it| it.signer = TokenIssuer::new("unpublished"));
    assert_logs_in(&daemon, &server);
    assert_eq!(server.requests("/.well-known/openid-configuration"), 0);
    assert_eq!(server.requests("/keys"), 0);
    server.change(|it| it.claims = json!({"iss": "https://evil.example"}));
    let back = Browser::default().log_in(&daemon, &server, HOST, "/");
    assert_eq!(back.status, 401, "the claims are validated");
}

#[test]
fn id_tokens_of_a_token_endpoint_without_tls_are_verified_with_keys() {
    let authority = Authority::new();
    let server = OpenIdProvider::start(&authority);
    let plain = OpenIdProvider::behind_service(server.issuer(), None);
    let (issuer, address) = (server.issuer().to_owned(), plain.address());
    let fields = format!(
        "issuer: '{issuer}', authorizationEndpoint: '{issuer}/authorize', tokenEndpoint: 'http://{address}/token'"
    );
    let folder = folder(&provider(&fields));
    let daemon = start(&folder, &authority);
    // The same key, but the server in plain text isn't believed without it.
    let back = Browser::default().log_in(&daemon, &plain, HOST, "/");
    assert_eq!(back.status, 401, "{}", back.text());
    assert!(server.requests("/keys") >= 1);
    let conditions = ancestor(&daemon)["conditions"].to_string();
    assert!(conditions.contains("plain text"), "{conditions}");
}

#[test]
fn provider_may_be_a_service_with_a_certificate_for_its_issuer() {
    let authority = Authority::new();
    let pair = authority.issue("idp.example");
    let server = OpenIdProvider::behind_service("https://idp.example", Some(&pair));
    let folder = behind_service("issuer: 'https://idp.example'", &server);
    let daemon = start(&folder, &authority);
    assert_logs_in(&daemon, &server);
}

#[test]
fn backend_tls_policy_decides_how_the_provider_is_asked() {
    let authority = Authority::new();
    let pair = authority.issue("idp.internal");
    let server = OpenIdProvider::behind_service("https://idp.example", Some(&pair));
    let folder = behind_service("issuer: 'https://idp.example'", &server);
    folder.write("authority.yaml", config_map("authority", &authority.pem()));
    folder.write(
        "tls.yaml",
        "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: idp}
spec:
  targetRefs: [{group: '', kind: Service, name: idp}]
  validation:
    hostname: idp.internal
    caCertificateRefs: [{group: '', kind: ConfigMap, name: authority}]
",
    );
    let daemon = start(&folder, &Authority::new());
    assert_logs_in(&daemon, &server);
}

#[test]
fn policy_closes_without_its_service() {
    let authority = Authority::new();
    let server = OpenIdProvider::start(&authority);
    let folder = behind_service(&format!("issuer: '{ISSUER}'"), &server);
    folder.remove("idp.yaml");
    // Without echo backends, which would take the place of the Service.
    assert_eq!(Daemon::of(&folder).start().get(HOST, "/").status, 500);
}

#[test]
fn client_may_have_to_authenticate_in_the_form() {
    let authority = Authority::new();
    let server = OpenIdProvider::start(&authority);
    let methods = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    server.change(|it| it.configuration = methods);
    let folder = folder(&provider(&format!("issuer: '{}'", server.issuer())));
    let daemon = start(&folder, &authority);
    wait_for_provider(&daemon);
    assert_logs_in(&daemon, &server);
    let form = server.forms().pop().expect("a form");
    assert_eq!(form["client_id"], CLIENT_ID);
    assert_eq!(
        form["client_secret"],
        crate::support::openid_provider::CLIENT_SECRET
    );
}
