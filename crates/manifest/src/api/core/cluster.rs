//! Namespace, Secret, ConfigMap, and label selectors.

use crate::api::{Object, choice, object};
use crate::{Decode, Decoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatefold_diagnostic::Code;
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;
use std::fmt;

/// A namespace. Namespaces that other objects mention exist without such an object.
pub type Namespace = Object<NamespaceFields>;
/// A Secret, which holds keys and certificates.
pub type Secret = Object<SecretFields>;
/// A ConfigMap, which holds certificates of authorities.
pub type ConfigMap = Object<ConfigMapFields>;

object! {
    /// Of a Namespace only the labels are used.
    #[derive(Default)]
    pub open NamespaceFields {}
}

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

object! {
    /// The fields of a ConfigMap that gatefold uses.
    pub open ConfigMapFields {
        /// Values.
        "data" => data: BTreeMap<String, String>,
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

object! {
    /// Selects objects by labels. All requirements must be met.
    #[derive(Default)]
    pub closed LabelSelector {
        /// Labels with their values.
        "matchLabels" => match_labels: BTreeMap<String, String>,
        /// Conditions on labels.
        "matchExpressions" => match_expressions: Vec<LabelSelectorRequirement>,
    }
}

object! {
    /// A condition on a label.
    pub closed LabelSelectorRequirement {
        /// The label.
        "key" => key: String,
        /// The kind of condition.
        "operator" => operator: LabelSelectorOperator,
        /// The values, for `In` and `NotIn`.
        "values" => values: Vec<String>,
    }
}

choice! {
    /// The kind of condition on a label.
    pub LabelSelectorOperator {
        /// The label has one of the values.
        In,
        /// The label has none of the values, or is absent.
        NotIn,
        /// The label is present.
        Exists,
        /// The label is absent.
        DoesNotExist,
    }
}

impl LabelSelector {
    /// Whether the labels meet every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self
            .match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value));
        equal && self.match_expressions.iter().all(|r| r.matches(labels))
    }
}

impl LabelSelectorRequirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            LabelSelectorOperator::In => value.is_some_and(|v| self.values.contains(v)),
            LabelSelectorOperator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            LabelSelectorOperator::Exists => value.is_some(),
            LabelSelectorOperator::DoesNotExist => value.is_none(),
        }
    }
}
