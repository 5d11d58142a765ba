//! Objects that the folder contains, but that aren't in force.
//!
//! In: the text of an object that can't be used. Out: its name, its place and the reason, so that references to it can say
//! more than that it isn't there.

use gatefold_diagnostic::yaml::Node;
use gatefold_diagnostic::{Document, ResourceId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Refused objects that have no last good version, by kind and name.
pub type RefusedObjects = Arc<BTreeMap<ResourceId, RefusedObject>>;

/// An object that was refused, although its name could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedObject {
    /// Its kind, namespace and name.
    pub id: ResourceId,
    /// Why it was refused.
    pub reason: RefusalReason,
    /// The text that contains it.
    document: Document,
    /// The number of lines between the beginning of the document and the object's name.
    lines_before: usize,
}

/// Why an object was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// It has errors, each of which has a diagnostic.
    Errors,
    /// Its values are encrypted with SOPS.
    Encrypted,
}

impl RefusalReason {
    /// The reason as the predicate of a sentence about the object.
    fn as_str(self) -> &'static str {
        match self {
            RefusalReason::Errors => "was refused",
            RefusalReason::Encrypted => "is encrypted with SOPS",
        }
    }
}

impl RefusedObject {
    /// Records that the object `node` of a document was refused.
    pub(crate) fn new(
        id: ResourceId,
        reason: RefusalReason,
        node: &Node,
        document: &Document,
    ) -> Self {
        let name = node
            .field("metadata")
            .and_then(|metadata| metadata.field("name"));
        let at = name.map_or(node.span.start, |name| name.span.start);
        let before = document.source.text.get(document.bytes.start..at);
        let lines_before = before.unwrap_or_default().matches('\n').count();
        RefusedObject {
            id,
            reason,
            document: document.clone(),
            lines_before,
        }
    }

    /// The same object, after its document has moved within its file.
    pub(crate) fn moved(&self, to: &Document) -> Self {
        RefusedObject {
            document: self.document.moved(to),
            ..self.clone()
        }
    }
}

/// Says that the object can't be used and where it is: `Gateway default/front was refused, see a.yaml:12`.
impl fmt::Display for RefusedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.document.source.path.display();
        let line = self.document.line + self.lines_before;
        write!(f, "{} {}, see {path}:{line}", self.id, self.reason.as_str())
    }
}
