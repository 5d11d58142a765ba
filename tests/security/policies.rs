//! Policies that gatefold does not support: the routes that they protect are never open.

use crate::support::daemon::{Daemon, check, check_with};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway, gateway_with, route, service};

const HOST: &str = "www.example.com";
/// A setting of a SecurityPolicy that gatefold doesn't serve.
const UNSERVED: &str = "authorization: {rules: [{action: Allow, cel: 'true'}]}";

fn folder() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("other-route.yaml", route("other", "other.example.com")),
        ("shop.yaml", service("shop")),
        ("other.yaml", service("other")),
    ])
}

/// A SecurityPolicy for an object of this kind and name, with a setting that gatefold doesn't serve.
fn security_policy(kind: &str, name: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata:
  name: login
spec:
  targetRefs:
    - group: gateway.networking.k8s.io
      kind: {kind}
      name: {name}
  {UNSERVED}
"
    )
}

/// A policy of a kind that gatefold doesn't read, but that protects its targets.
fn unread_policy(kind: &str, name: &str) -> String {
    security_policy(kind, name)
        .replace("SecurityPolicy", "EnvoyExtensionPolicy")
        .replace(UNSERVED, "extProc: []")
}

#[test]
fn closes_a_route_while_an_unsupported_policy_protects_it() {
    let folder = folder();
    folder.write("policy.yaml", security_policy("HTTPRoute", "shop"));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(
        daemon.get(HOST, "/").status,
        500,
        "the route must be closed"
    );
    assert_eq!(daemon.get("other.example.com", "/").status, 200);

    let found = daemon.wait_for_diagnostic("GF0524");
    assert_eq!(found["severity"], "error");
    let message = found.to_string();
    for place in ["policy.yaml", "route.yaml"] {
        assert!(message.contains(place), "{place} isn't in {message}");
    }
    let status = daemon.object("httproutes", "default", "shop");
    let accepted = condition(&status["status"]["parents"][0], "Accepted");
    assert_eq!(accepted["status"], "False");
    assert_eq!(accepted["reason"], "UnenforcedPolicy");

    folder.replace("policy.yaml", "name: shop", "name: other");
    daemon.wait_for_status(HOST, "/", 200);
    daemon.wait_for_status("other.example.com", "/", 500);

    folder.remove("policy.yaml");
    daemon.wait_for_status("other.example.com", "/", 200);
    eventually("the route is accepted", || {
        let status = daemon.object("httproutes", "default", "other");
        let accepted = condition(&status["status"]["parents"][0], "Accepted");
        (accepted["status"] == "True").then_some(())
    });
}

#[test]
fn closes_a_gateway_while_an_unsupported_policy_protects_it() {
    let folder = folder();
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    folder.write("policy.yaml", security_policy("Gateway", "edge"));
    daemon.wait_for_status(HOST, "/", 500);
    folder.write("policy.yaml", unread_policy("Gateway", "edge"));
    daemon.wait_for_summary("the other kind is in force", |summary| {
        let closed = summary["diagnostics"].to_string();
        closed.contains("EnvoyExtensionPolicy").then_some(())
    });
    let unknown = daemon.get(HOST, "/no/route/has/this");
    assert_eq!(unknown.status, 500);
    eventually("the Gateway's status reports it", || {
        let gateway = daemon.object("gateways", "default", "edge");
        let programmed = condition(&gateway["status"], "Programmed");
        (programmed["reason"] == "UnenforcedPolicy").then_some(())
    });
    folder.remove("policy.yaml");
    daemon.wait_for_status(HOST, "/", 200);
}

#[test]
fn a_broken_edit_of_a_policy_opens_no_route() {
    let folder = folder();
    let good = security_policy("HTTPRoute", "shop");
    folder.write("policy.yaml", &good);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 500);
    let broken = [
        ("the YAML is broken", good.replace("spec:", "spec: [")),
        (
            "the target has no name",
            good.replace("      name: shop\n", ""),
        ),
        (
            "the targets are not a list",
            good.replace("    - group:", "      group:"),
        ),
        (
            "the targets are misspelled",
            good.replace("targetRefs", "targetRef5"),
        ),
        (
            "the kind is misspelled",
            good.replace("SecurityPolicy", "SecuritPolicy"),
        ),
    ];
    for (what, text) in broken {
        let before = daemon.admin_json("/status")["generation"]["seen"].clone();
        folder.write("policy.yaml", text);
        daemon.wait_for_summary("the edit is seen", |summary| {
            (summary["generation"]["seen"] != before).then_some(())
        });
        assert_eq!(daemon.get(HOST, "/").status, 500, "{what}");
        folder.write("policy.yaml", &good);
        daemon.wait_for_summary("the policy is good again", |summary| {
            let failed = summary["generation"]["failed"] == summary["generation"]["seen"];
            let warned = summary["diagnostics"].to_string().contains("GF0303");
            (!failed && !warned).then_some(())
        });
    }
}

#[test]
fn a_policy_that_was_never_valid_protects_its_readable_targets() {
    let folder = folder();
    let policy = security_policy("HTTPRoute", "shop");
    let target = "    - group: gateway.networking.k8s.io\n      kind: HTTPRoute\n";
    let broken = policy.replace("  authorization:", &format!("{target}  authorization:"));
    folder.write("policy.yaml", &broken);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 500);
    assert_eq!(daemon.get("other.example.com", "/").status, 200);
    daemon.wait_for_diagnostic("GF0203");
    // The policy is still broken, but names another route.
    folder.write("policy.yaml", broken.replace("name: shop", "name: other"));
    daemon.wait_for_status("other.example.com", "/", 500);
    daemon.wait_for_status(HOST, "/", 200);
}

#[test]
fn a_mistake_in_a_new_policy_opens_no_route() {
    let good = security_policy("HTTPRoute", "shop");
    for (from, to, code) in [
        ("kind: HTTPRoute", "kind: HttpRoute", "GF0204"),
        (
            "group: gateway.networking.k8s.io",
            "group: gateway.network.k8s.io",
            "GF0204",
        ),
        ("kind: SecurityPolicy", "kind: SecurityPolciy", "GF0303"),
        // The rest of the file can't be parsed.
        (
            "    - group",
            "    - kind: HTTPRoute\n    - group",
            "GF0203",
        ),
    ] {
        let folder = folder();
        let policy = good.replace(from, to);
        assert_ne!(policy, good, "the mistake must be in the text");
        let end = match code {
            "GF0203" => "---\nbroken: [\n",
            _ => "",
        };
        folder.write("policy.yaml", policy + end);
        let daemon = Daemon::of(&folder).echo().start();
        assert_eq!(daemon.get(HOST, "/").status, 500, "{to}");
        assert_eq!(daemon.get("other.example.com", "/").status, 200, "{to}");
        daemon.wait_for_diagnostic(code);
    }
}

#[test]
fn two_policies_with_the_same_name_both_protect() {
    let folder = folder();
    folder.write("policy-1.yaml", security_policy("HTTPRoute", "shop"));
    folder.write("policy-2.yaml", security_policy("HTTPRoute", "other"));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 500);
    assert_eq!(daemon.get("other.example.com", "/").status, 500);
    daemon.wait_for_diagnostic("GF0302");
    folder.remove("policy-1.yaml");
    daemon.wait_for_status(HOST, "/", 200);
    assert_eq!(daemon.get("other.example.com", "/").status, 500);
}

#[test]
fn a_kind_of_policy_can_be_ignored() {
    let folder = folder();
    folder.write("policy.yaml", security_policy("HTTPRoute", "shop"));
    let daemon = Daemon::of(&folder)
        .echo()
        .arg("--ignore-policy")
        .arg("SecurityPolicy.gateway.envoyproxy.io,AuthPolicy")
        .start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    let found = daemon.wait_for_diagnostic("GF0525");
    assert_eq!(found["severity"], "info");
    eventually("the log reports it", || {
        daemon.log().contains("GF0525").then_some(())
    });

    let check = |kind: &str| {
        let output = check_with(&folder, &["--ignore-policy", kind]);
        output.status.code()
    };
    assert_eq!(check("SecurityPolicy"), Some(0));
    assert_eq!(check("OtherPolicy"), Some(1), "another kind");
    assert_eq!(check("not a kind"), Some(2), "wrong usage");
}

#[test]
fn a_policy_that_does_not_protect_is_a_warning() {
    let folder = folder();
    let policy =
        security_policy("HTTPRoute", "shop").replace("SecurityPolicy", "BackendTrafficPolicy");
    folder.write(
        "policy.yaml",
        policy.replace(&format!("  {UNSERVED}\n"), ""),
    );
    let output = check(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("warning[GF0523]"), "{text}");
    for place in ["policy.yaml:9:13", "route.yaml:4:9"] {
        assert!(text.contains(place), "{place} isn't in\n{text}");
    }
}

#[test]
fn a_service_with_an_unreadable_backend_tls_policy_receives_no_plain_text() {
    let folder = folder();
    let policy = "apiVersion: gateway.networking.k8s.io/v1alpha2
kind: BackendTLSPolicy
metadata:
  name: tls
spec:
  targetRef: {group: '', kind: Service, name: shop}
  tls: {hostname: shop.example.com, wellKnownCACerts: System}
";
    folder.write("policy.yaml", policy);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 500);
    assert_eq!(daemon.get("other.example.com", "/").status, 200);
    daemon.wait_for_diagnostic("GF0304");
    let found = daemon.wait_for_diagnostic("GF0524");
    assert!(found.to_string().contains("shop.yaml"), "{found}");
    folder.remove("policy.yaml");
    daemon.wait_for_status(HOST, "/", 200);
}

#[test]
fn protects_a_service_that_only_the_command_line_defines() {
    let folder = folder();
    folder.remove("shop.yaml");
    let daemon = |folder: &Folder| {
        let daemon = Daemon::of(folder).echo();
        // Nothing listens on this port.
        daemon
            .arg("--backend")
            .arg("default/shop:3000=127.0.0.1:9")
            .start()
    };
    assert_eq!(daemon(&folder).get(HOST, "/").status, 502);
    let policy = security_policy("Service", "shop").replace("gateway.networking.k8s.io", "''");
    folder.write("policy.yaml", policy);
    assert_eq!(daemon(&folder).get(HOST, "/").status, 500);
}

/// The listener's hostname also matches another listener, to which the route is attached, too.
#[test]
fn no_other_listener_serves_the_hostname_of_a_closed_listener() {
    let filters = "filters: {requests: [{type: ExternalAuth, externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: auth, port: 80}}}]}";
    // An unsupported kind of route makes the listener invalid.
    let unserved = "allowedRoutes: {kinds: [{kind: TCPRoute}]}";
    let policy = security_policy("Gateway", "edge")
        .replace("name: edge", "name: edge\n      sectionName: own");
    for (what, own, policy) in [
        ("its filters aren't supported", filters, None),
        ("a policy protects it", unserved, Some(policy)),
    ] {
        let listeners = format!(
            "    - {{name: own, protocol: HTTP, port: 80, hostname: {HOST}, {own}}}
    - {{name: all, protocol: HTTP, port: 80, hostname: '*.example.com'}}\n"
        );
        let folder = folder();
        folder.write("gateway.yaml", gateway_with(&listeners));
        if let Some(policy) = policy {
            folder.write("policy.yaml", policy);
        }
        let daemon = Daemon::of(&folder).echo().start();
        assert_eq!(daemon.get(HOST, "/").status, 500, "{what}");
        assert_eq!(daemon.get("other.example.com", "/").status, 200, "{what}");
    }
}
