//! A listener in its owner's manifest, as the subject of diagnostics.

use super::owner::ListenerOwner;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::Listener;

/// A listener in its owner's manifest.
#[derive(Clone, Copy)]
pub(crate) struct ListenerAt<'a> {
    pub owner: &'a ListenerOwner,
    pub listener: &'a Listener,
    pub index: usize,
}

impl ListenerAt<'_> {
    /// Returns the path of the listener.
    pub fn pointer(self) -> Pointer {
        Pointer::spec().key("listeners").index(self.index)
    }

    /// Returns a diagnostic about a field of the listener.
    pub fn finding(self, code: Code, pointer: Pointer, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.owner.place(pointer), message).about(self.owner.id())
    }
}
