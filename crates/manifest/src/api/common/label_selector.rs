//! Label selectors.

use crate::api::{choice, object};
use std::collections::BTreeMap;

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
