//! The result of decoding a document.

use super::not_a_manifest::DocumentType;
use crate::kind::AnyObject;
use crate::kustomize::Fact;
use crate::refused::RefusedObject;
use crate::unread_route::UnreadRoute;
use gatefold_diagnostic::{Code, Diagnostic, Document, ResourceId};

/// The result of decoding a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecodedDocument {
    /// The objects without errors.
    pub objects: Vec<AnyObject>,
    /// The objects with errors whose names could be read.
    pub refused: Vec<RefusedObject>,
    /// The readable parts of policies with errors that protect other objects. A part is in force as long as there is no
    /// good version of the policy.
    pub partial: Vec<(ResourceId, AnyObject)>,
    /// The routes and ListenerSets of kinds that aren't read yet.
    pub unread_routes: Vec<UnreadRoute>,
    /// The problems.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the document can't be parsed to its end, so that its objects are unknown.
    pub broken: bool,
    /// What the document says about other files.
    pub facts: Vec<Fact>,
    /// Whether the document is a kustomization or defines variables, and has errors.
    pub has_broken_fact: bool,
    /// Whether the document has an unidentified object: its kind or name can't be read, but it was probably meant to be of a
    /// kind that gatefold reads.
    pub has_unidentified: bool,
    /// What the document is if it isn't an object and wasn't meant to be one. Then its diagnostics apply only if the file had
    /// objects that may have become this document.
    pub passed_over: Option<DocumentType>,
}

impl DecodedDocument {
    /// Whether a size limit was exceeded, which may depend on the other documents of the file.
    pub(crate) fn exceeds(&self) -> bool {
        let mut codes = self.diagnostics.iter().map(|found| found.code);
        codes.any(|code| code == Code::TooLarge)
    }

    /// The result for a document with the same text at another position.
    pub(crate) fn moved(&self, from: &Document, to: &Document) -> DecodedDocument {
        let object = |object: &AnyObject| object.moved(object.document().moved(to));
        let mut diagnostics = self.diagnostics.clone();
        for found in &mut diagnostics {
            found.place.shift(from, to);
            found
                .labels
                .iter_mut()
                .for_each(|label| label.place.shift(from, to));
        }
        DecodedDocument {
            objects: self.objects.iter().map(object).collect(),
            refused: self.refused.iter().map(|object| object.moved(to)).collect(),
            unread_routes: self.unread_routes.iter().map(|it| it.moved(to)).collect(),
            partial: (self.partial.iter())
                .map(|(id, partial)| (id.clone(), object(partial)))
                .collect(),
            diagnostics,
            facts: self.facts.iter().map(|fact| fact.moved(to)).collect(),
            has_broken_fact: self.has_broken_fact,
            broken: self.broken,
            has_unidentified: self.has_unidentified,
            passed_over: self.passed_over,
        }
    }
}
