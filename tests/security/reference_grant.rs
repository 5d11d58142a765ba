//! References into other namespaces, for backends and for certificates.

use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway, gateway_with, route, route_to, service};
use crate::support::tls::{Authority, secret};

const HOST: &str = "www.example.com";

fn grant(kind: &str, to: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata:
  name: grant
  namespace: other
spec:
  from:
    - group: gateway.networking.k8s.io
      kind: {kind}
      namespace: default
  to:
    - group: \"\"
      kind: {to}
"
    )
}

fn in_other(manifest: &str) -> String {
    manifest.replacen("metadata:\n", "metadata:\n  namespace: other\n", 1)
}

#[test]
fn a_backend_in_another_namespace_answers_only_with_a_grant() {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("service.yaml", in_other(&service("far"))),
        (
            "route.yaml",
            route_to(
                "route",
                HOST,
                "        - {name: far, namespace: other, port: 3000}\n",
            ),
        ),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 500);
    let object = daemon.object("httproutes", "default", "route");
    let resolved = condition(&object["status"]["parents"][0], "ResolvedRefs");
    assert_eq!(resolved["reason"], "RefNotPermitted", "{object:#}");

    folder.write("grant.yaml", grant("HTTPRoute", "Service"));
    assert_eq!(
        daemon.wait_for_status(HOST, "/", 200).json()["namespace"],
        "other"
    );
    folder.write("grant.yaml", grant("GRPCRoute", "Service"));
    daemon.wait_for_status(HOST, "/", 500);
}

#[test]
fn a_secret_in_another_namespace_is_used_only_with_a_grant() {
    let authority = Authority::new();
    let pair = authority.issue(HOST);
    let folder = Folder::with([
        (
            "gateway.yaml",
            gateway_with(
                "    - name: https
      protocol: HTTPS
      port: 443
      tls: {certificateRefs: [{name: far, namespace: other}]}\n",
            ),
        ),
        (
            "secret.yaml",
            in_other(&secret("far", &pair.certificate, &pair.key)),
        ),
        ("route.yaml", route("one", HOST)),
        ("service.yaml", service("one")),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    assert!(
        authority.connect(daemon.socket(443), HOST).is_err(),
        "no grant yet"
    );
    let object = daemon.object("gateways", "default", "edge");
    let resolved = condition(&object["status"]["listeners"][0], "ResolvedRefs");
    assert_eq!(resolved["reason"], "RefNotPermitted", "{object:#}");

    folder.write("grant.yaml", grant("Gateway", "Secret"));
    crate::support::eventually("TLS is served", || {
        authority.connect(daemon.socket(443), HOST).ok()
    });
}
