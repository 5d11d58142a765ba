//! Tests of decoding policies.

use super::UnreadPolicy;
use crate::Loader;
use crate::api::{PolicyTargetChoice, PolicyTargetKind, RouteTargetKind};
use gatefold_diagnostic::{Code, Severity};
use std::fs;
use std::sync::Arc;

const TARGET: &str =
    "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]";

/// A policy of this kind with a target and these fields.
fn policy(kind: &str, fields: &str) -> Arc<UnreadPolicy> {
    let (kind, group) = kind.split_once('.').expect("a kind and its group");
    let text = format!(
        "apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: p}}\nspec:\n  {TARGET}\n{fields}"
    );
    let resources = Loader::from_text("policy.yaml", text).resources;
    let found = resources.unread_policies.values().next();
    found.unwrap_or_else(|| panic!("{kind} isn't kept")).clone()
}

#[test]
fn recognises_policies_that_protect() {
    for (kind, fields, by) in [
        ("SecurityPolicy.gateway.envoyproxy.io", "", "its kind"),
        ("EnvoyExtensionPolicy.gateway.envoyproxy.io", "", "its kind"),
        ("AuthPolicy.kuadrant.io", "", "its kind"),
        (
            "WebApplicationFirewallPolicy.alb.networking.azure.io",
            "",
            "its kind",
        ),
        ("RequestAuthentication.security.istio.io", "", "its kind"),
        ("BrandNewSecurityThing.example.com", "", "its kind"),
        (
            "ClientTrafficPolicy.gateway.envoyproxy.io",
            "  tls: {clientValidation: {optional: true}}\n",
            "`spec.tls.clientValidation`",
        ),
        (
            "AgentgatewayPolicy.agentgateway.dev",
            "  traffic: {authorization: {policy: {}}}\n",
            "`spec.traffic.authorization`",
        ),
        (
            "GCPBackendPolicy.networking.gke.io",
            "  default: {securityPolicy: armor}\n",
            "`spec.default.securityPolicy`",
        ),
        (
            "FrontendTLSPolicy.alb.networking.azure.io",
            "  default: {verify: {caCertificateRef: {name: ca}}}\n",
            "`spec.default.verify`",
        ),
        (
            "EnvoyPatchPolicy.gateway.envoyproxy.io",
            "  jsonPatches: [{operation: {value: {name: envoy.filters.http.ext_authz}}}]\n",
            "`spec.jsonPatches`",
        ),
    ] {
        let found = policy(kind, fields);
        assert_eq!(found.protection.as_deref(), Some(by), "{kind}");
    }
}

#[test]
fn recognises_policies_that_protect_nothing() {
    for (kind, fields) in [
        (
            "BackendTrafficPolicy.gateway.envoyproxy.io",
            "  retry: {numRetries: 2}\n",
        ),
        (
            "EnvoyPatchPolicy.gateway.envoyproxy.io",
            "  jsonPatches: [{operation: {value: {name: envoy.filters.http.lua}}}]\n",
        ),
        (
            "TrafficPolicy.gateway.kgateway.dev",
            "  extAuth: {disable: {}}\n  timeouts: {request: 1s}\n",
        ),
        (
            "GCPBackendPolicy.networking.gke.io",
            "  default: {iap: {enabled: false}, timeoutSec: 3}\n",
        ),
        (
            "AgentgatewayPolicy.agentgateway.dev",
            "  backend: {auth: {key: secret}}\n",
        ),
        ("AuthorizationPolicy.security.istio.io", "  action: AUDIT\n"),
        ("ObservabilityPolicy.gateway.nginx.org", ""),
    ] {
        let found = policy(kind, fields);
        assert_eq!(found.protection, None, "{kind}");
    }
}

#[test]
fn decodes_targets_in_every_form() {
    let text = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: p, namespace: shop}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: http}
  targetRefs:
  - {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, name: shop}
  - {group: gateway.networking.k8s.io, kind: GRPCRoute, name: shop}
  - {group: gateway.networking.k8s.io, kind: TCPRoute, name: shop}
  - {group: example.com, kind: Gateway, name: other}
  - {group: '', kind: Service, name: shop}
  targetSelectors: [{kind: ListenerSet}]
";
    let loaded = Loader::from_text("policy.yaml", text);
    assert_eq!(loaded.diagnostics, []);
    let policies: Vec<_> = loaded.resources.unread_policies.values().collect();
    let targets: Vec<_> = policies[0].targets.iter().collect();
    let kinds: Vec<_> = targets.iter().map(|target| target.kind).collect();
    assert_eq!(
        kinds,
        [
            PolicyTargetKind::Gateway,
            PolicyTargetKind::Route(RouteTargetKind::Http),
            PolicyTargetKind::Route(RouteTargetKind::Grpc),
            PolicyTargetKind::Service,
            PolicyTargetKind::ListenerSet,
        ],
        "kinds that gatefold doesn't serve are left out"
    );
    assert_eq!(targets[0].section.as_deref(), Some("http"));
    assert_eq!(targets[1].pointer.to_string(), "spec.targetRefs[0]");
    let selector = &targets[4].choice;
    assert!(
        matches!(selector, PolicyTargetChoice::Labels { .. }),
        "{selector:?}"
    );
}

#[test]
fn an_object_with_a_target_of_another_kind_is_no_policy() {
    for target in [
        "{apiVersion: apps/v1, kind: Deployment, name: shop}",
        "{group: example.com, kind: Service, name: shop}",
        "shop",
    ] {
        let text = format!(
            "apiVersion: autoscaling.k8s.io/v1\nkind: VerticalPodAutoscaler\nmetadata: {{name: a}}\nspec: {{targetRef: {target}}}\n"
        );
        let resources = Loader::from_text("a.yaml", text).resources;
        assert!(resources.unread_policies.is_empty(), "{target}");
    }
}

/// The kinds and names of the policies in a file, each with its targets.
fn targets_in(text: &str) -> Vec<(String, Vec<PolicyTargetKind>)> {
    let resources = Loader::from_text("policy.yaml", text).resources;
    let policies = resources.unread_policies.values();
    let targets = |policy: &UnreadPolicy| policy.targets.iter().map(|it| it.kind).collect();
    policies
        .filter(|policy| policy.protection.is_some())
        .map(|policy| (policy.key.to_string(), targets(policy)))
        .collect()
}

const EXTENSION_POLICY: &str = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {name: p}\nspec:\n  \
     targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]\n";

#[test]
fn a_misspelled_target_is_an_error_and_stays_protected() {
    for (from, to) in [
        ("kind: HTTPRoute", "kind: HttpRoute"),
        ("kind: HTTPRoute", "kind: HTTPRoutes"),
        (
            "group: gateway.networking.k8s.io",
            "group: gateway.networking.k8s.oi",
        ),
        ("group: gateway.networking.k8s.io", "group: ''"),
        ("group: gateway.networking.k8s.io", "apiVersion: v1"),
    ] {
        let text = EXTENSION_POLICY.replace(from, to);
        let loaded = Loader::from_text("policy.yaml", text.as_str());
        let errors = loaded.diagnostics.iter();
        let errors = errors.filter(|it| it.severity == Severity::Error);
        let helped = errors.filter(|it| it.help.is_some()).count();
        assert_eq!(helped, 1, "{to}: {:?}", loaded.diagnostics);
        let expected = (
            "EnvoyExtensionPolicy default/p".to_owned(),
            vec![PolicyTargetKind::Route(RouteTargetKind::Http)],
        );
        assert_eq!(targets_in(&text), [expected], "{to}");
    }
}

#[test]
fn the_targets_of_a_policy_with_a_misspelled_kind_stay_protected() {
    for kind in ["SecuritPolicy", "securitypolicy", "EnvoyExtensionPolicies"] {
        let text = EXTENSION_POLICY.replace("kind: EnvoyExtensionPolicy", &format!("kind: {kind}"));
        let expected = (
            format!("{kind} default/p"),
            vec![PolicyTargetKind::Route(RouteTargetKind::Http)],
        );
        assert_eq!(targets_in(&text), [expected], "{kind}");
    }
    let tls = "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTlsPolicy\nmetadata: {name: p}\nspec:\n  \
         targetRefs: [{group: '', kind: Service, name: shop}]\n  validation: {hostname: shop.example.com}\n";
    let expected = (
        "BackendTlsPolicy default/p".to_owned(),
        vec![PolicyTargetKind::Service],
    );
    assert_eq!(targets_in(tls), [expected]);
}

#[test]
fn an_empty_list_of_targets_counts_as_absent() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec:\n  targetRefs: []\n";
    let all = (
        "AuthorizationPolicy default/p".to_owned(),
        vec![PolicyTargetKind::Gateway],
    );
    assert_eq!(targets_in(policy), [all], "all Gateways of Istio");

    let text = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {name: p}\nspec: {targetRefs: []}\n";
    let loaded = Loader::from_text("policy.yaml", text);
    let codes: Vec<_> = loaded.diagnostics.iter().map(|it| it.code).collect();
    assert_eq!(codes, [Code::MissingField]);
}

#[test]
fn a_policy_with_an_error_protects_in_a_file_that_was_never_valid() {
    let broken = EXTENSION_POLICY.replace("[{group", "[{kind: HTTPRoute}, {group");
    let text = format!("{broken}---\na: [\n");
    let expected = (
        "EnvoyExtensionPolicy default/p".to_owned(),
        vec![PolicyTargetKind::Route(RouteTargetKind::Http)],
    );
    assert_eq!(targets_in(&text), [expected]);
}

#[test]
fn a_good_policy_replaces_its_readable_part_in_a_broken_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut loader = Loader::new([folder.path().to_owned()]);
    let mut unread = |policy: &str| {
        let text = format!("{policy}---\na: [\n");
        fs::write(folder.path().join("a.yaml"), text).expect("written");
        let resources = loader.load().resources;
        let policies = resources.unread_policies.values();
        let names = policies.flat_map(|policy| &policy.targets);
        let names: Vec<_> = names.map(|it| format!("{:?}", it.choice)).collect();
        (names, resources.backend_tls_policies.len())
    };
    let good = "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: p}\nspec:\n  \
         targetRefs: [{group: '', kind: Service, name: shop}]\n  \
         validation: {hostname: shop.example.com, wellKnownCACertificates: System}\n";
    let broken = good.replace("wellKnown", "wellknown");
    let named = |name: &str| vec![format!("Name {{ namespace: None, name: {name:?} }}")];
    assert_eq!(unread(&broken), (named("shop"), 0));
    let other = broken.replace("name: shop}", "name: other}");
    assert_eq!(unread(&other), (named("other"), 0));
    assert_eq!(unread(good), (Vec::new(), 1));
    assert_eq!(
        unread(&broken),
        (Vec::new(), 1),
        "the last good policy is kept"
    );
}

#[test]
fn two_policies_with_the_same_name_and_errors_both_protect() {
    let broken = EXTENSION_POLICY.replace("[{group", "[{kind: HTTPRoute}, {group");
    let other = broken.replace("HTTPRoute, name: shop", "Gateway, name: edge");
    let found = targets_in(&format!("{broken}---\n{other}"));
    let kinds: Vec<_> = found.into_iter().flat_map(|(_, kinds)| kinds).collect();
    assert_eq!(
        kinds,
        [
            PolicyTargetKind::Route(RouteTargetKind::Http),
            PolicyTargetKind::Gateway
        ]
    );
}

#[test]
fn a_broken_policy_of_a_kind_that_is_read_protects_if_its_fields_do() {
    for (kind, fields, protects) in [
        ("SecurityPolicy", "unknown: {}", true),
        (
            "SecurityPolicy",
            "authorization: {rules: [{action: Allow}]}",
            true,
        ),
        (
            "SecurityPolicy",
            "authorization: {rules: [{action: Allow, principal: {clientCIDRs: [10.0.0.0/33]}}]}",
            true,
        ),
        ("SecurityPolicy", "mergeType: StrategicMerge", true),
        ("ClientTrafficPolicy", "tls: {minimumVersion: '1.2'}", false),
        (
            "ClientTrafficPolicy",
            "tls: {clientValidation: {}, minimumVersion: '1.2'}",
            true,
        ),
    ] {
        let text = format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: {kind}\nmetadata: {{name: p}}\nspec:\n  \
             targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]\n  {fields}\n"
        );
        let loaded = Loader::from_text("policy.yaml", text.as_str());
        let mut found = loaded.diagnostics.iter();
        let refused = found.any(|it| it.severity == Severity::Error);
        assert!(refused, "{kind} {fields}: {:?}", loaded.diagnostics);
        assert_eq!(!targets_in(&text).is_empty(), protects, "{kind} {fields}");
    }
}
