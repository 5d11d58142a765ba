//! `oidc` of SecurityPolicies: logins at an OpenID provider.

mod attacks;
mod cookies;
mod failures;
mod login;
mod providers;
mod renewal;
mod settings;

use crate::support::daemon::{Daemon, Start};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use crate::support::openid_provider::{CLIENT_ID, CLIENT_SECRET, OpenIdProvider};
use crate::support::tls::Authority;
use serde_json::Value;

const HOST: &str = "www.example.com";
const OTHER: &str = "other.example.com";

/// A SecurityPolicy with the name of the route that it targets.
fn policy(target: &str, settings: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: {target}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {target}}}]
  {settings}
"
    )
}

/// The Secret of the client.
fn client_secret(secret: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: client}}
stringData: {{client-secret: '{secret}', client-id: {CLIENT_ID}}}
"
    )
}

/// `oidc` with a provider, and these further fields.
fn oidc(provider: &OpenIdProvider, more: &str) -> String {
    let issuer = provider.issuer();
    format!(
        "oidc: {{provider: {{issuer: '{issuer}'}}, clientID: {CLIENT_ID}, clientSecret: {{name: client}}{more}}}"
    )
}

/// A folder with two routes, of which the first has a policy with these settings.
fn folder(settings: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("other-route.yaml", route("other", OTHER)),
        ("shop.yaml", service("shop")),
        ("other.yaml", service("other")),
        ("client.yaml", client_secret(CLIENT_SECRET)),
        ("policy.yaml", policy("shop", settings)),
    ])
}

/// A daemon that trusts an authority as if the system did.
fn trusting<'f>(folder: &'f Folder, authority: &Authority) -> Start<'f> {
    let path = folder.path().join(".authorities.pem");
    std::fs::write(&path, authority.pem()).expect("the authority's file");
    let path = path.into_os_string();
    Daemon::of(folder).echo().environment("SSL_CERT_FILE", path)
}

/// Starts a daemon, and waits until it knows the provider.
fn start(folder: &Folder, authority: &Authority) -> Daemon {
    let daemon = trusting(folder, authority).start();
    wait_for_provider(&daemon);
    daemon
}

/// Waits until clients are redirected to the provider.
#[track_caller]
fn wait_for_provider(daemon: &Daemon) {
    eventually("the provider is known", || {
        (daemon.get(HOST, "/").status == 302).then_some(())
    });
}

/// The status of the policy `shop` at its ancestor.
fn ancestor(daemon: &Daemon) -> Value {
    let path = "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/default/securitypolicies/shop";
    daemon.admin_json(path)["status"]["ancestors"][0].clone()
}

/// The number of requests that were answered for a reason.
fn answered(daemon: &Daemon, reason: &str) -> f64 {
    daemon.metric(&format!("gatefold_answers_total{{reason=\"{reason}\"}}"))
}
