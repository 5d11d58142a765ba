//! What reading a document gives.

use crate::kind::AnyObject;
use gatefold_diagnostic::{Code, Diagnostic, Document, ResourceId};

/// What a document gave.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Its objects without an error.
    pub objects: Vec<AnyObject>,
    /// Objects with an error, as far as their names could be read.
    pub refused: Vec<ResourceId>,
    /// The readable part of policies with errors that protect other objects. It is in force while there is no good version.
    pub partial: Vec<(ResourceId, AnyObject)>,
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
    /// It can't be read to its end, so its objects aren't known.
    pub broken: bool,
    /// It contains something whose kind or name can't be read, and that was probably meant to be one of our objects.
    pub nameless: bool,
}

impl Outcome {
    /// Whether it was more than may be read, for which other documents of the file count, too.
    pub(crate) fn exceeds(&self) -> bool {
        let mut codes = self.diagnostics.iter().map(|found| found.code);
        codes.any(|code| code == Code::TooLarge)
    }

    /// The same outcome of a document with the same text at another place.
    pub(crate) fn moved(&self, from: &Document, to: &Document) -> Outcome {
        let object = |object: &AnyObject| {
            let document = Document {
                item: object.document().item,
                ..to.clone()
            };
            object.moved(document)
        };
        let mut diagnostics = self.diagnostics.clone();
        for found in &mut diagnostics {
            found.place.shift(from, to);
            found
                .labels
                .iter_mut()
                .for_each(|label| label.place.shift(from, to));
        }
        Outcome {
            objects: self.objects.iter().map(object).collect(),
            refused: self.refused.clone(),
            partial: (self.partial.iter())
                .map(|(id, partial)| (id.clone(), object(partial)))
                .collect(),
            diagnostics,
            broken: self.broken,
            nameless: self.nameless,
        }
    }
}
