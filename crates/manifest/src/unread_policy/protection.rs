//! Determines which policies protect their targets, so that ignoring them would admit requests that must be refused.
//!
//! Many kinds always protect. Objects of other kinds set a timeout in one case and authentication in another, so their
//! fields decide. An unknown kind counts as protection if its name suggests it: a closed route is noticed, an open one
//! isn't.

use crate::api::{CLIENT_TRAFFIC_POLICY_FIELDS, ENVOY_GATEWAY_GROUP};
use crate::kind::Kind;
use gatefold_diagnostic::yaml::{Node, Value};

/// Istio's API group for security policies.
pub(super) const ISTIO: &str = "security.istio.io";

/// Words in the names of kinds that protect.
const WORDS: [&str; 12] = [
    "Auth",
    "Security",
    "Firewall",
    "WAF",
    "Waf",
    "JWT",
    "Jwt",
    "OIDC",
    "RBAC",
    "IPAllow",
    "AccessControl",
    "AccessPolicy",
];

/// Fields that protect in any kind of policy, in lower case.
const FIELDS: [&str; 38] = [
    "accesscontrol",
    "allowlist",
    "apikeyauth",
    "apikeyauthentication",
    "auth",
    "authentication",
    "authn",
    "authorization",
    "authz",
    "basicauth",
    "basicauthentication",
    "clientauthentication",
    "clientvalidation",
    "csrf",
    "denylist",
    "extauth",
    "extauthz",
    "externalauth",
    "externalauthentication",
    "externalauthorization",
    "extproc",
    "iap",
    "ipallowlist",
    "ipdenylist",
    "ipfilter",
    "iprestriction",
    "jwt",
    "jwtauth",
    "jwtauthentication",
    "mtls",
    "oauth",
    "oauth2",
    "oidc",
    "openidconnect",
    "rbac",
    "securitypolicy",
    "waf",
    "whitelist",
];

/// The names of Envoy filters that protect, as in the patches of an EnvoyPatchPolicy.
const ENVOY_FILTERS: [&str; 7] = [
    "ext_authz",
    "ext_proc",
    "jwt_authn",
    "filters.http.rbac",
    "filters.http.oauth2",
    "basic_auth",
    "api_key_auth",
];

/// The part of a policy that protects its targets. `None` if it protects nothing.
pub(super) fn find(group: &str, kind: &str, spec: &Node) -> Option<String> {
    // Istio only logs what a policy with this action matches.
    if group == ISTIO && spec.field("action").and_then(Node::as_str) == Some("AUDIT") {
        return None;
    }
    if group == ENVOY_GATEWAY_GROUP && kind == "EnvoyPatchPolicy" {
        let patches = spec.field("jsonPatches")?;
        return names_protecting_filter(patches).then(|| "`spec.jsonPatches`".to_owned());
    }
    if group == ENVOY_GATEWAY_GROUP && kind == Kind::ClientTrafficPolicy.name() {
        return closing_field(spec);
    }
    let always = (group == ENVOY_GATEWAY_GROUP && kind == "EnvoyExtensionPolicy")
        || Kind::find(group, kind).is_some_and(Kind::protects_targets);
    if always || WORDS.iter().any(|word| kind.contains(word)) {
        return Some("its kind".to_owned());
    }
    let context = Context { group, kind };
    let mut path = vec!["spec".to_owned()];
    context
        .protects(spec, &mut path)
        .then(|| format!("`{}`", path.join(".")))
}

/// The field for which a ClientTrafficPolicy that can't be read closes its targets. `None` if it has none.
fn closing_field(spec: &Node) -> Option<String> {
    let table = CLIENT_TRAFFIC_POLICY_FIELDS.iter();
    let mut closing = table.filter(|it| it.effect.guards());
    let is_set = |path: &str| {
        let value = path.split('.').try_fold(spec, Node::field);
        value.is_some_and(|value| !is_off(value))
    };
    let found = closing.find(|it| is_set(it.path))?;
    Some(format!("`spec.{}`", found.path))
}

#[derive(Clone, Copy)]
struct Context<'a> {
    group: &'a str,
    kind: &'a str,
}

impl Context<'_> {
    /// Whether a field in `node` protects. If so, `path` is the path of this field.
    fn protects(self, node: &Node, path: &mut Vec<String>) -> bool {
        match &node.value {
            Value::Mapping(entries) => entries.iter().any(|(key, value)| {
                path.push(key.name.clone());
                let protects = !self.is_harmless(path)
                    && !is_off(value)
                    && (self.is_protection(&key.name) || self.protects(value, path));
                if !protects {
                    path.pop();
                }
                protects
            }),
            Value::Sequence(items) => items.iter().any(|item| self.protects(item, path)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }

    fn is_protection(self, field: &str) -> bool {
        let field = field.to_ascii_lowercase();
        // In Azure's FrontendTLSPolicy, `verify` validates client certificates.
        FIELDS.contains(&field.as_str()) || (self.kind == "FrontendTLSPolicy" && field == "verify")
    }

    /// Whether a field only seems to protect: the names of targets, and credentials that are sent to a backend.
    fn is_harmless(self, path: &[String]) -> bool {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        matches!(
            path[..],
            ["spec", "targetRef" | "targetRefs" | "targetSelectors"]
        ) || (self.group.starts_with("agentgateway") && path == ["spec", "backend", "auth"])
    }
}

/// Whether the value of a field disables the feature.
fn is_off(value: &Node) -> bool {
    match &value.value {
        Value::Null | Value::Bool(false) => true,
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(entries) => {
            let only_disable = entries.len() == 1 && entries[0].0.name == "disable";
            let disabled = value
                .field("enabled")
                .is_some_and(|enabled| enabled.value == Value::Bool(false));
            disabled || (only_disable && entries[0].1.value != Value::Bool(false))
        }
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    }
}

fn names_protecting_filter(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => ENVOY_FILTERS.iter().any(|filter| text.contains(filter)),
        Value::Sequence(items) => items.iter().any(names_protecting_filter),
        Value::Mapping(entries) => entries
            .iter()
            .any(|(_, value)| names_protecting_filter(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
