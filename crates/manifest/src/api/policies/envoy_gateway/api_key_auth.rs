//! `SecurityPolicy.spec.apiKeyAuth`.

use crate::Decoder;
use crate::api::{SecretObjectReference, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// Authentication with a key.
    pub closed APIKeyAuth {
        /// The Secrets with the keys. The name of each entry is the client's identity.
        "credentialRefs" => credential_refs: RequiredList<SecretObjectReference>,
        /// Where requests carry the key. The first source that has one counts.
        "extractFrom" => extract_from: Vec<ExtractFrom> [1..=usize::MAX],
        /// The request header in which the backend gets the client's identity.
        "forwardClientIDHeader" => forward_client_id_header: Option<String>,
        /// Whether the key is removed from the request before it is forwarded.
        "sanitize" => sanitize: Option<bool>,
    }
}

object! {
    /// A source of keys. Exactly one of the fields is set.
    pub closed ExtractFrom checked by ExtractFrom::check {
        /// The names of request headers.
        "headers" => headers: Option<Vec<String>> where not_empty [1..=usize::MAX],
        /// The names of query parameters.
        "params" => params: Option<Vec<String>> where not_empty [1..=usize::MAX],
        /// The names of cookies.
        "cookies" => cookies: Option<Vec<String>> where not_empty [1..=usize::MAX],
    }
}

impl ExtractFrom {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let fields = [&self.headers, &self.params, &self.cookies];
        if fields.iter().filter(|it| it.is_some()).count() != 1 {
            let why = "exactly one of `headers`, `params` and `cookies` is required";
            refuse(node, "headers", why, decoder);
        }
    }
}

/// Names must have at least one character.
fn not_empty(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    Ok(())
}

/// A list that is required, but may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct RequiredList<T>(pub Vec<T>);

impl<T: crate::Decode> crate::Decode for RequiredList<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        Vec::decode(node, decoder).map(RequiredList)
    }
}
