//! `jwt` of SecurityPolicies: which tokens are accepted, and what backends learn of them.

mod attacks;
mod providers;
mod remote_keys;
mod rotation;
mod secure_keys;

use crate::support::client::{Client, Response};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};
use crate::support::tokens::{TokenIssuer, jwks};

const HOST: &str = "www.example.com";
const OTHER: &str = "other.example.com";

/// A folder with two routes, of which the first has a policy with these settings.
fn folder(settings: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("other-route.yaml", route("other", OTHER)),
        ("shop.yaml", service("shop")),
        ("other.yaml", service("other")),
        ("policy.yaml", policy("shop", "HTTPRoute", settings)),
    ])
}

/// A SecurityPolicy with the name of its target.
fn policy(target: &str, kind: &str, settings: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: {target}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {target}}}]
  {settings}
"
    )
}

/// `jwt` with one provider `idp` that has the keys of an issuer, and these further fields.
fn local(issuer: &TokenIssuer, more: &str) -> String {
    let keys = jwks(&[issuer]);
    format!("jwt: {{providers: [{{name: idp, localJWKS: {{inline: '{keys}'}}{more}}}]}}")
}

/// Sends a request with these header fields.
fn ask(daemon: &Daemon, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(daemon.socket(80)).expect("a connection");
    client.get(HOST, path, headers).expect("an answer")
}

/// The status of the answer to a request with a bearer token.
fn status(daemon: &Daemon, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    ask(daemon, "/", &[("Authorization", &authorization)]).status
}

/// The number of requests that were denied for a reason.
fn denied(daemon: &Daemon, reason: &str) -> f64 {
    daemon.metric(&format!("gatefold_answers_total{{reason=\"{reason}\"}}"))
}
