//! `SecurityPolicy.spec.authorization`.

use super::Untyped;
use super::network::cidr;
use crate::Decoder;
use crate::api::{HTTPMethod, PathMatchType, choice, object, refuse};
use gatefold_diagnostic::Pointer;
use gatefold_diagnostic::yaml::Node;

object! {
    /// Which requests are allowed. The first rule that matches decides.
    #[derive(Default)]
    pub closed Authorization {
        /// The rules, in order.
        "rules" => rules: Vec<AuthorizationRule>,
        /// What happens to requests that no rule matches; absent for `Deny`.
        "defaultAction" => default_action: Option<AuthorizationAction>,
    }
}

choice! {
    /// What happens to a request.
    pub AuthorizationAction {
        /// It is forwarded.
        Allow,
        /// It is answered 403.
        Deny,
    }
}

object! {
    /// A rule. It matches requests that match all of its fields.
    pub closed AuthorizationRule checked by AuthorizationRule::check {
        /// A name for people.
        "name" => name: Option<String> [1..=253],
        /// What happens to requests that match.
        "action" => action: AuthorizationAction,
        /// The operations that match; absent for all.
        "operation" => operation: Option<AuthorizationOperation>,
        /// The clients that match.
        "principal" => principal: Option<AuthorizationPrincipal>,
        /// An expression that must be true, 1 to 4096 characters.
        "cel" => cel: Option<String> [1..=4096],
    }
}

impl AuthorizationRule {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.principal.is_none() && self.cel.is_none() {
            refuse(node, "principal", "is required, or `cel`", decoder);
        }
    }
}

object! {
    /// The operations that a rule matches. At least one field is set.
    pub closed AuthorizationOperation checked by AuthorizationOperation::check {
        /// The methods.
        "methods" => methods: Option<Vec<HTTPMethod>> [1..=16],
        /// The path.
        "path" => path: Option<AuthorizationPathMatch>,
    }
}

impl AuthorizationOperation {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.methods.is_none() && self.path.is_none() {
            refuse(node, "methods", "is required, or `path`", decoder);
        }
    }
}

object! {
    /// A condition on the path of a request.
    pub closed AuthorizationPathMatch {
        /// How the path is compared.
        "type" => kind: PathMatchType = PathMatchType::PathPrefix,
        /// The path, prefix or expression; at most 1024 characters.
        "value" => value: String [0..=1024] = "/".to_owned(),
        /// Whether all other paths match.
        "invert" => invert: Option<bool>,
    }
}

object! {
    /// The clients that a rule matches: those that match all fields. At least one field is set.
    pub closed AuthorizationPrincipal checked by AuthorizationPrincipal::check {
        /// The networks of which one must contain the client's address.
        "clientCIDRs" => client_cidrs: Option<Vec<String>> where cidr [1..=usize::MAX],
        /// Claims and scopes of a JSON Web Token.
        "jwt" => jwt: Option<JWTPrincipal>,
        /// Request headers. All must match.
        "headers" => headers: Option<Vec<AuthorizationHeaderMatch>> [1..=256],
        /// Places of which the client must be in one.
        "clientIPGeoLocations" => client_ip_geo_locations: Option<Untyped>,
    }
}

impl AuthorizationPrincipal {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let is_set = self.client_cidrs.is_some()
            || self.jwt.is_some()
            || self.headers.is_some()
            || self.client_ip_geo_locations.is_some();
        if !is_set {
            let why = "is required, or `jwt`, `headers` or `clientIPGeoLocations`";
            refuse(node, "clientCIDRs", why, decoder);
        }
    }
}

object! {
    /// What the token of a request must have. At least one of `claims` and `scopes` is set.
    pub closed JWTPrincipal checked by JWTPrincipal::check {
        /// The name of the provider in `jwt` that accepts the token.
        "provider" => provider: String [1..=253],
        /// The claims, all of which must match.
        "claims" => claims: Option<Vec<JWTClaim>> [1..=16],
        /// The scopes, all of which the token must have.
        "scopes" => scopes: Option<Vec<String>> where scope [1..=16],
    }
}

impl JWTPrincipal {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.claims.is_none() && self.scopes.is_none() {
            refuse(node, "claims", "is required, or `scopes`", decoder);
        }
    }
}

/// 1 to 253 characters. Source: `JWTScope`.
fn scope(text: &str) -> Result<(), String> {
    match text.chars().count() {
        1..=253 => Ok(()),
        length => Err(format!("has {length} characters; a scope has 1 to 253")),
    }
}

object! {
    /// A claim and its possible values.
    pub closed JWTClaim {
        /// The name. A claim within another one is separated from it by a dot.
        "name" => name: String [1..=253],
        /// The type of the claim.
        "valueType" => value_type: JWTClaimValueType = JWTClaimValueType::String,
        /// The values of which the claim must have one.
        "values" => values: Vec<String> [1..=128],
    }
}

choice! {
    /// The type of a claim.
    pub JWTClaimValueType {
        /// A text, compared as a whole.
        String,
        /// A list of texts, of which one must match.
        StringArray,
    }
}

object! {
    /// A request header and its possible values.
    pub closed AuthorizationHeaderMatch {
        /// The name, compared case-insensitively.
        "name" => name: String [1..=256],
        /// The values of which the header must have one.
        "values" => values: Vec<String> [1..=256],
    }
}

impl Authorization {
    /// Whether a rule depends on a JSON Web Token.
    pub(super) fn uses_jwt(&self) -> bool {
        let mut principals = self.rules.iter().filter_map(|it| it.principal.as_ref());
        principals.any(|it| it.jwt.is_some())
    }

    /// Returns the paths of the fields that gatefold doesn't serve, below `authorization`.
    pub(super) fn unserved(&self) -> Vec<Pointer> {
        let authorization = Pointer::spec().key("authorization");
        let mut found = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let at = authorization.key("rules").index(index);
            let principal = rule.principal.as_ref();
            let fields = [
                (rule.cel.is_some(), at.key("cel")),
                (
                    principal.is_some_and(|it| it.client_ip_geo_locations.is_some()),
                    at.key("principal").key("clientIPGeoLocations"),
                ),
            ];
            let set = fields.into_iter().filter(|(is_set, _)| *is_set);
            found.extend(set.map(|(_, pointer)| pointer));
        }
        found
    }
}
