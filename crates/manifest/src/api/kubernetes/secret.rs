//! Secret.

use crate::api::{Object, object};
use crate::{Decode, Decoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatefold_diagnostic::Code;
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;
use std::fmt;

/// A Secret, which holds keys and certificates.
pub type Secret = Object<SecretFields>;

object! {
    /// The fields of a Secret that gatefold uses. They are never printed.
    pub open SecretFields checked by SecretFields::check {
        /// `kubernetes.io/tls` and others.
        "type" => kind: String = "Opaque".to_owned(),
        /// Values in base64.
        "data" => data: BTreeMap<String, SecretText>,
        /// Values in plain text, which take precedence over `data`.
        "stringData" => string_data: BTreeMap<String, SecretText>,
    }
}

impl SecretFields {
    /// The values of `data` must be base64; line breaks in them are ignored. The message doesn't quote a value.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        for (name, value) in &self.data {
            let text: String = value
                .0
                .chars()
                .filter(|c| !matches!(c, '\r' | '\n'))
                .collect();
            if STANDARD.decode(text).is_ok() {
                continue;
            }
            let entry = node.field("data").and_then(|data| data.entry(name));
            let span = entry.map_or(&node.span, |(key, _)| &key.span);
            let pointer = decoder.pointer().key("data").key(name.clone());
            let message = format!("`{pointer}` isn't base64");
            decoder.report(Code::InvalidValue, span, message).help =
                Some("put plain text into `stringData`".to_owned());
        }
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        SecretText(text.into())
    }

    /// The text, for the code that parses the key.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Decode for SecretText {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        String::decode(node, decoder).map(SecretText)
    }
}
