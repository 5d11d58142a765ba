//! Selectors of namespaces whose Namespace isn't in the folder.
//!
//! In: a selector that doesn't match a namespace. Out: whether the namespace's labels are unknown, and the Namespace to add.

use crate::Build;
use gatefold_diagnostic::Diagnostic;
use gatefold_manifest::Kind;
use gatefold_manifest::api::{LabelSelector, LabelSelectorOperator, NamespacedName};

impl Build<'_> {
    /// Adds to a diagnostic that a namespace's labels are unknown, if its Namespace isn't in force, and how to add them.
    pub(crate) fn note_unknown_labels(
        &self,
        finding: Diagnostic,
        selector: &LabelSelector,
        namespace: &str,
    ) -> Diagnostic {
        if self.resources.namespaces.contains_key(namespace) {
            return finding;
        }
        let known = "so only its label `kubernetes.io/metadata.name` is known";
        let key = NamespacedName::new("", namespace);
        match self.resources.refused(Kind::Namespace, &key) {
            Some(refused) => finding.note(format!("{refused}, {known}")),
            None => finding
                .note(format!(
                    "Namespace `{namespace}` isn't in the folder, {known}"
                ))
                .help(format!(
                    "add the Namespace with the labels that the selector asks for: {}",
                    manifest(selector, namespace)
                )),
        }
    }
}

/// Returns a Namespace of one line that the selector matches, as far as it asks for labels.
fn manifest(selector: &LabelSelector, namespace: &str) -> String {
    let equal = selector.match_labels.iter();
    let equal = equal.map(|(key, value)| format!("{key}: {value:?}"));
    let conditions = selector.match_expressions.iter();
    let conditions = conditions.filter_map(|condition| {
        let value = match condition.operator {
            LabelSelectorOperator::In => condition.values.first()?.as_str(),
            LabelSelectorOperator::Exists => "",
            LabelSelectorOperator::NotIn | LabelSelectorOperator::DoesNotExist => return None,
        };
        Some(format!("{}: {value:?}", condition.key))
    });
    let labels: Vec<String> = equal.chain(conditions).collect();
    format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}, labels: {{{}}}}}}}",
        labels.join(", ")
    )
}
