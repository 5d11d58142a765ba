//! Documents that can't be used before another tool has read them: templates, and what SOPS has encrypted.

use super::DocumentReader;
use crate::decode::object::identity;
use crate::kind::Kind;
use crate::refused::RefusalReason;
use gatefold_diagnostic::yaml::Node;
use gatefold_diagnostic::{Code, Diagnostic, Document, Place, Severity};

impl DocumentReader<'_> {
    /// Adds advice to the first error that a template of Helm, Jinja or a similar tool has caused.
    pub(super) fn mention_templates(&mut self) {
        let text = &self.document.source.text;
        let in_template = |found: &Diagnostic| {
            let Place::Bytes { bytes, .. } = &found.place else {
                return false;
            };
            let rest = text.get(bytes.start..).unwrap_or_default();
            let line = rest.lines().next().unwrap_or_default();
            found.code == Code::Syntax || line.contains("{{")
        };
        let mut errors = self.findings.iter_mut();
        let error = errors.find(|found| found.severity == Severity::Error && in_template(found));
        if let Some(error) = error {
            let help = "`{{` begins a template, which isn't YAML: render it first, for example with \
                        `--render 'helm template DIR'`";
            error.help = Some(help.to_owned());
        }
    }

    /// Refuses an object with values that SOPS has encrypted.
    pub(super) fn encrypted(&mut self, node: &Node, kind: Kind, document: &Document) {
        let id = identity(node, kind);
        let span = node.entry("sops").map_or(&node.span, |(key, _)| &key.span);
        let message = format!("{id} is encrypted with SOPS, so its values can't be used");
        let found = self.report(Code::EncryptedObject, span, message);
        found.resource = Some(id.clone());
        found.help = Some(
            "put the decrypted manifest into another folder, or use `--render 'sops decrypt FILE'`"
                .to_owned(),
        );
        self.refuse(kind, id, RefusalReason::Encrypted, (node, document));
    }
}
