//! Objects as the subjects of diagnostics and as the origin of references, whatever their kind.

use crate::listener::ListenerOwner;
use crate::reference::Referrer;
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer, ResourceId};
use gatefold_manifest::api::Object;
use gatefold_manifest::{Spec, UnreadPolicy};

/// An object that diagnostics are about and that refers to other objects.
pub(crate) trait ReportedObject {
    /// The object as a ReferenceGrant names it.
    fn referrer(&self) -> Referrer<'_>;

    /// The object's name in diagnostics.
    fn id(&self) -> ResourceId;

    /// The place of one of its fields.
    fn place(&self, pointer: Pointer) -> Place;

    /// A diagnostic about one of its fields.
    fn finding(&self, code: Code, pointer: Pointer, message: String) -> Diagnostic {
        Diagnostic::new(code, self.place(pointer), message).about(self.id())
    }
}

impl<S: Spec> ReportedObject for Object<S> {
    fn referrer(&self) -> Referrer<'_> {
        Referrer {
            group: S::KIND.group(),
            kind: S::KIND.name(),
            namespace: &self.meta.namespace,
        }
    }

    fn id(&self) -> ResourceId {
        Object::id(self)
    }

    fn place(&self, pointer: Pointer) -> Place {
        Object::place(self, pointer)
    }
}

impl ReportedObject for ListenerOwner {
    fn referrer(&self) -> Referrer<'_> {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.referrer(),
            ListenerOwner::ListenerSet(set) => set.referrer(),
        }
    }

    fn id(&self) -> ResourceId {
        ListenerOwner::id(self)
    }

    fn place(&self, pointer: Pointer) -> Place {
        ListenerOwner::place(self, pointer)
    }
}

impl ReportedObject for UnreadPolicy {
    fn referrer(&self) -> Referrer<'_> {
        Referrer {
            group: &self.key.group,
            kind: &self.key.kind,
            namespace: &self.key.namespace,
        }
    }

    fn id(&self) -> ResourceId {
        UnreadPolicy::id(self)
    }

    fn place(&self, pointer: Pointer) -> Place {
        UnreadPolicy::place(self, pointer)
    }
}
