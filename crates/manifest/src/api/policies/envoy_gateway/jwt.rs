//! `SecurityPolicy.spec.jwt`.

use super::RemoteJWKS;
use crate::Decoder;
use crate::api::{LocalObjectReference, SecretText, choice, object, refuse};
use crate::decode::name;
use gatefold_diagnostic::yaml::Node;

object! {
    /// Authentication with JSON Web Tokens.
    pub closed JWT checked by JWT::check {
        /// Whether requests without a token are allowed; absent for no.
        "optional" => optional: Option<bool>,
        /// Whether requests without a valid token are allowed; absent for no.
        "failOpen" => fail_open: Option<bool>,
        /// The issuers, of which one must accept the token. 1 to 16.
        "providers" => providers: Vec<JWTProvider> [1..=16],
    }
}

impl JWT {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.optional.is_some() && self.fail_open.is_some() {
            let why = "isn't allowed together with `optional`: it also tolerates a missing token";
            refuse(node, "failOpen", why, decoder);
        }
    }
}

object! {
    /// An issuer of tokens. It has either `remoteJWKS` or `localJWKS`.
    pub closed JWTProvider checked by JWTProvider::check {
        /// The name, unique in the policy.
        "name" => name: String [1..=253],
        /// The required `iss` of tokens. Empty for any.
        "issuer" => issuer: String [0..=253] = String::new(),
        /// The audiences of which a token must have one. Empty for any.
        "audiences" => audiences: Vec<String> [0..=8],
        /// Where the keys are fetched.
        "remoteJWKS" => remote_jwks: Option<RemoteJWKS>,
        /// The keys.
        "localJWKS" => local_jwks: Option<LocalJWKS>,
        /// Headers in which the backend gets claims.
        "claimToHeaders" => claim_to_headers: Vec<ClaimToHeader>,
        /// Whether the route is chosen again with these headers; absent for no.
        "recomputeRoute" => recompute_route: Option<bool>,
        /// Where requests carry tokens; absent for `Authorization: Bearer` and the query parameter `access_token`.
        "extractFrom" => extract_from: Option<JWTExtractor>,
    }
}

impl JWTProvider {
    /// Whether the name is a qualified name of Kubernetes, which Envoy Gateway requires beyond the CRD.
    pub fn has_qualified_name(&self) -> bool {
        name::label_key(&self.name).is_ok()
    }

    fn check(&self, node: &Node, decoder: &mut Decoder) {
        match (&self.remote_jwks, &self.local_jwks) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => refuse(node, "remoteJWKS", "is required, or `localJWKS`", decoder),
            (Some(_), Some(_)) => {
                let why = "isn't allowed together with `remoteJWKS`";
                refuse(node, "localJWKS", why, decoder);
            }
        }
        if self.recompute_route == Some(true) && self.claim_to_headers.is_empty() {
            let why = "is required if `recomputeRoute` is true";
            refuse(node, "claimToHeaders", why, decoder);
        }
    }
}

object! {
    /// Keys in the manifests. `type` decides which of the other fields is set.
    pub closed LocalJWKS checked by LocalJWKS::check {
        /// Where the keys are.
        "type" => kind: LocalJWKSType = LocalJWKSType::Inline,
        /// The JWKS. It may contain a secret: a symmetric key.
        "inline" => inline: Option<SecretText>,
        /// The ConfigMap with the JWKS: its entry `jwks`, or its only one.
        "valueRef" => value_ref: Option<LocalObjectReference>,
    }
}

choice! {
    /// Where the keys are.
    pub LocalJWKSType {
        /// In the policy.
        Inline,
        /// In a ConfigMap.
        ValueRef,
    }
}

impl LocalJWKS {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let (required, excluded) = match self.kind {
            LocalJWKSType::Inline => (
                ("inline", self.inline.is_some()),
                ("valueRef", self.value_ref.is_some()),
            ),
            LocalJWKSType::ValueRef => (
                ("valueRef", self.value_ref.is_some()),
                ("inline", self.inline.is_some()),
            ),
        };
        let kind = self.kind.as_str();
        if !required.1 {
            let why = format!("is required if `type` is `{kind}`");
            refuse(node, required.0, &why, decoder);
        }
        if excluded.1 {
            let why = format!("isn't allowed if `type` is `{kind}`");
            refuse(node, excluded.0, &why, decoder);
        }
    }
}

object! {
    /// A header in which the backend gets a claim.
    pub closed ClaimToHeader {
        /// The name of the header.
        "header" => header: String,
        /// The name of the claim. A claim within another one is separated from it by a dot.
        "claim" => claim: String,
    }
}

object! {
    /// Where requests carry tokens. All of them are verified.
    pub closed JWTExtractor {
        /// Request headers.
        "headers" => headers: Vec<JWTHeaderExtractor>,
        /// The names of cookies.
        "cookies" => cookies: Vec<String>,
        /// The names of query parameters.
        "params" => params: Vec<String>,
    }
}

object! {
    /// A request header with a token.
    pub closed JWTHeaderExtractor {
        /// The name.
        "name" => name: String,
        /// The text before the token.
        "valuePrefix" => value_prefix: Option<String>,
    }
}
