//! Documents that say something about other files: kustomizations and files of variables.

use super::DocumentReader;
use crate::decode::Decoder;
use crate::kustomize::{Fact, Kustomization, is_kustomization};
use crate::substitution::VariableSource;
use gatefold_diagnostic::yaml::Node;

impl DocumentReader<'_> {
    /// Whether the name of the file is that of a kustomization.
    pub(super) fn is_kustomization_file(&self) -> bool {
        let name = self.document.source.path.file_name();
        name.is_some_and(is_kustomization)
    }

    pub(super) fn is_kustomization(&self, root: &Node) -> bool {
        self.is_kustomization_file() && Kustomization::is_in(root)
    }

    pub(super) fn kustomization(&mut self, root: &Node) {
        let mut decoder = Decoder::new(self.document.clone(), None);
        let read = Kustomization::read(root, self.document, &mut decoder);
        let read = read.map(|it| Fact::Kustomization(Box::new(it)));
        self.findings.append(decoder.into_findings());
        self.fact(read);
    }

    pub(super) fn variables(&mut self, root: &Node) {
        let read = VariableSource::of_file(root, self.document, &mut self.findings);
        self.fact(Some(Fact::Variables(Box::new(read))));
    }

    /// Records what the document as a whole says about other files, unless it has errors.
    fn fact(&mut self, read: Option<Fact>) {
        self.has_broken_fact = self.findings.has_errors();
        if !self.has_broken_fact {
            self.facts.extend(read);
        }
    }
}
