//! What a file says about other files.

use super::flux::FluxKustomization;
use super::kustomization::Kustomization;
use crate::substitution::VariableSource;
use gatefold_diagnostic::Document;

/// What a document says about other files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// The document is a kustomization.
    Kustomization(Box<Kustomization>),
    /// The document is a Flux Kustomization.
    Flux(Box<FluxKustomization>),
    /// The document defines variables.
    Variables(Box<VariableSource>),
}

impl Fact {
    /// The same fact, in another document with the same text.
    pub(crate) fn moved(&self, document: &Document) -> Fact {
        let mut moved = self.clone();
        let place = match &mut moved {
            Fact::Kustomization(it) => &mut it.document,
            Fact::Flux(it) => &mut it.document,
            Fact::Variables(it) => &mut it.document,
        };
        *place = place.moved(document);
        moved
    }
}
