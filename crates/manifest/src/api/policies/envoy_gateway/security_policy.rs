//! SecurityPolicy.

use super::{
    APIKeyAuth, Authorization, BasicAuth, CSRF, JWT, OIDC, PolicyTargetFields, SecurityPolicyCors,
    TargetSelector, Untyped,
};
use crate::Decoder;
use crate::api::{LocalPolicyTargetReferenceWithSectionName, Object, object, refuse};
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
        "extAuth" => ext_auth: Option<Untyped>,
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

    /// Returns the paths of the fields that gatefold doesn't serve. Each of them protects the targets.
    pub fn unserved(&self) -> Vec<Pointer> {
        let spec = Pointer::spec();
        let fields = [("extAuth", self.ext_auth)];
        let set = fields.into_iter().filter(|(_, field)| field.is_some());
        let set = set.map(|(name, _)| spec.key(name));
        let below = self.authorization.iter().flat_map(Authorization::unserved);
        set.chain(below).collect()
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
