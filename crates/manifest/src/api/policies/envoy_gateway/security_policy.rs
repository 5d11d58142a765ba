//! SecurityPolicy.

use super::{
    APIKeyAuth, Authorization, BasicAuth, CSRF, ExtAuth, FieldEffect, JWT, OIDC, PolicyField,
    PolicyTargetFields, SecurityPolicyCors, TargetSelector,
};
use crate::Decoder;
use crate::api::{
    BackendObjectReference, LocalPolicyTargetReferenceWithSectionName, Object, object, refuse,
};
use gatefold_diagnostic::Pointer;
use gatefold_diagnostic::yaml::Node;

/// How requests are authenticated and authorized.
pub type SecurityPolicy = Object<SecurityPolicySpec>;

object! {
    /// `SecurityPolicy.spec`.
    pub closed SecurityPolicySpec checked by SecurityPolicySpec::check {
        /// The target; the older field.
        "targetRef" => target_ref: Option<LocalPolicyTargetReferenceWithSectionName>,
        /// The targets.
        "targetRefs" => target_refs: Vec<LocalPolicyTargetReferenceWithSectionName>,
        /// Targets with certain labels.
        "targetSelectors" => target_selectors: Vec<TargetSelector>,
        /// How a policy for a route is merged with the policy of its Gateway or listener: `StrategicMerge` or `JSONMerge`.
        /// Absent if the policy replaces it.
        "mergeType" => merge_type: Option<String> where not_replace,
        /// Authentication with a key.
        "apiKeyAuth" => api_key_auth: Option<APIKeyAuth>,
        /// Cross-origin requests.
        "cors" => cors: Option<SecurityPolicyCors>,
        /// Protection against cross-site request forgery.
        "csrf" => csrf: Option<CSRF>,
        /// Authentication with user name and password.
        "basicAuth" => basic_auth: Option<BasicAuth>,
        /// Authentication with JSON Web Tokens.
        "jwt" => jwt: Option<JWT>,
        /// Authentication by an OpenID provider.
        "oidc" => oidc: Option<OIDC>,
        /// Authorization by an external service.
        "extAuth" => ext_auth: Option<ExtAuth>,
        /// Which requests are allowed.
        "authorization" => authorization: Option<Authorization>,
    }
}

/// The kinds of routes that a SecurityPolicy may target.
const ROUTES: [&str; 3] = ["HTTPRoute", "GRPCRoute", "TCPRoute"];
/// The kinds that a SecurityPolicy may target.
const TARGETS: [&str; 5] = [
    "Gateway",
    "ListenerSet",
    "HTTPRoute",
    "GRPCRoute",
    "TCPRoute",
];

impl SecurityPolicySpec {
    /// Returns the fields that name the targets.
    pub fn targets(&self) -> PolicyTargetFields<'_> {
        PolicyTargetFields {
            reference: self.target_ref.as_ref(),
            references: &self.target_refs,
            selectors: &self.target_selectors,
        }
    }

    /// Returns all references to servers that are asked for the policy: those with keys, OpenID providers, and authorization servers.
    pub fn servers(&self) -> impl Iterator<Item = &BackendObjectReference> {
        let providers = self.jwt.iter().flat_map(|it| &it.providers);
        let remote = providers.filter_map(|it| it.remote_jwks.as_ref());
        let keys = remote.flat_map(|it| &it.backend_refs).map(|it| &it.backend);
        let oidc = self.oidc.iter().flat_map(|it| &it.provider.backend_refs);
        let issuers = keys.chain(oidc.map(|it| &it.backend));
        issuers.chain(self.ext_auth.iter().flat_map(ExtAuth::servers))
    }

    /// Returns the names of the objects of a kind, ConfigMap or Secret, with texts for authorization servers.
    pub fn context_references<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s str> {
        let texts = self.ext_auth.iter().flat_map(|it| &it.context_extensions);
        let objects = texts.filter_map(|it| Some(&it.value_ref.as_ref()?.object));
        objects
            .filter(move |it| it.kind == kind)
            .map(|it| &*it.name)
    }

    /// Returns the paths of the fields that gatefold doesn't serve. Each of them protects the targets.
    pub fn unserved(&self) -> Vec<Pointer> {
        let below = self.authorization.iter().flat_map(Authorization::unserved);
        below.collect()
    }

    fn check(&self, node: &Node, decoder: &mut Decoder) {
        self.targets().check(&TARGETS, node, decoder);
        if self.merge_type.is_some() && !self.targets().are_all_of(&ROUTES) {
            let why = "is only allowed if all targets are routes";
            refuse(node, "mergeType", why, decoder);
        }
        let uses_jwt = self
            .authorization
            .as_ref()
            .is_some_and(Authorization::uses_jwt);
        if uses_jwt && self.jwt.is_none() {
            let why = "is required if `authorization.rules.principal.jwt` is used";
            refuse(node, "jwt", why, decoder);
        }
    }
}

/// Every type but `Replace`. Source: the CRD; the graph refuses types that don't exist.
fn not_replace(text: &str) -> Result<(), String> {
    if text == "Replace" {
        return Err("`Replace` isn't a merge type of a SecurityPolicy".to_owned());
    }
    Ok(())
}

macro_rules! fields {
    ($($path:literal $effect:expr,)+) => {
        &[$(PolicyField { path: $path, effect: $effect },)+]
    };
}

use FieldEffect::{Closes, Guards, Served};

/// The fields of a SecurityPolicy, apart from those that name its targets.
pub const SECURITY_POLICY_FIELDS: &[PolicyField] = fields! {
    "apiKeyAuth" Guards("`forwardClientIDHeader` replaces what the client sends"),
    "authorization.defaultAction" Guards("`Deny` if it is absent"),
    "authorization.rules.action" Guards("the first rule that matches decides"),
    "authorization.rules.cel" Closes,
    "authorization.rules.name" Served("a name for people"),
    "authorization.rules.operation.methods" Guards("compared without case, as in Envoy Gateway"),
    "authorization.rules.operation.path" Guards("exact, prefix or regular expression, [compared with the normal path](#paths-in-rules)"),
    "authorization.rules.principal.clientCIDRs" Guards("the address of the client, [which a ClientTrafficPolicy may find](#clienttrafficpolicy)"),
    "authorization.rules.principal.clientIPGeoLocations" Closes,
    "authorization.rules.principal.headers" Guards("whole values; all headers must match"),
    "authorization.rules.principal.jwt" Guards("claims and scopes of the [token](#jwt)"),
    "basicAuth" Guards("the entry `.htpasswd` of the Secret, with `{SHA}` hashes only, as in Envoy Gateway"),
    "cors" Guards("for origins of every scheme in lower case. The filter of a route takes precedence. `maxAge` is 5 seconds if it is absent"),
    "csrf" Guards("requests that change something must come from the site itself, [see below](#csrf)"),
    "extAuth" Guards("[see below](#extauth)"),
    "jwt" Guards("[see below](#jwt)"),
    "mergeType" Guards("`StrategicMerge` and `JSONMerge`, which differ only in `extAuth.contextExtensions`"),
    "oidc" Guards("[see below](#oidc)"),
};

#[cfg(test)]
mod tests {
    use super::super::field_table::check_documentation;
    use super::*;
    use crate::Loader;

    #[test]
    fn every_field_of_a_security_policy_is_documented() {
        let table = SECURITY_POLICY_FIELDS;
        check_documentation("SecurityPolicy", table, "docs/policies.md");
    }

    /// The table and the decoder agree on what closes.
    #[test]
    fn exactly_the_fields_that_close_are_unserved() {
        let text = "
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: all}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  csrf: {}
  authorization:
    rules:
    - action: Allow
      cel: 'true'
      operation: {methods: [GET], path: {value: /}}
      principal: {clientCIDRs: [10.0.0.0/8], clientIPGeoLocations: []}
";
        let loaded = Loader::from_text("policy.yaml", text);
        let policies = loaded.resources.security_policies.values();
        let unserved = policies.flat_map(|policy| policy.spec.unserved());
        let mut found: Vec<String> = unserved
            .map(|it| it.to_string().replace("rules[0]", "rules"))
            .collect();
        found.sort();
        let closing = SECURITY_POLICY_FIELDS.iter();
        let closing = closing.filter(|it| it.effect == FieldEffect::Closes);
        let closing: Vec<String> = closing.map(|it| format!("spec.{}", it.path)).collect();
        assert_eq!(found, closing);
    }
}
