//! SecurityPolicy.

use super::{
    APIKeyAuth, Authorization, BasicAuth, CSRF, ExtAuth, JWT, OIDC, PolicyTargetFields,
    SecurityPolicyCors, TargetSelector,
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
