use super::super::Loader;
use super::super::api::{PolicyTargetChoice, PolicyTargetKind};
use super::UnreadPolicy;
use std::sync::Arc;

const TARGET: &str =
    "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]";

/// The policy of this kind with these fields beside its target.
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
fn a_policy_that_may_protect_counts_as_protection() {
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
fn a_policy_that_protects_nothing_does_not_count_as_protection() {
    for (kind, fields) in [
        (
            "BackendTrafficPolicy.gateway.envoyproxy.io",
            "  retry: {numRetries: 2}\n",
        ),
        (
            "ClientTrafficPolicy.gateway.envoyproxy.io",
            "  tls: {minVersion: '1.2'}\n",
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
fn targets_are_read_in_every_form() {
    let text = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: p, namespace: shop}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: http}
  targetRefs:
  - {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, name: shop}
  - {group: gateway.networking.k8s.io, kind: GRPCRoute, name: shop}
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
            PolicyTargetKind::HttpRoute,
            PolicyTargetKind::Service,
            PolicyTargetKind::ListenerSet,
        ],
        "what gatefold doesn't serve is left out"
    );
    assert_eq!(targets[0].section.as_deref(), Some("http"));
    assert_eq!(targets[1].pointer.to_string(), "spec.targetRefs[0]");
    let selector = &targets[3].choice;
    assert!(
        matches!(selector, PolicyTargetChoice::Labels { .. }),
        "{selector:?}"
    );
}

#[test]
fn an_object_with_another_target_is_no_policy() {
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
