//! Values of a policy that gatefold can't follow.

use gatefold_diagnostic::Pointer;

/// A value that gatefold can't follow, and what it does instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// The place in the policy.
    pub pointer: Pointer,
    /// What is missing, and what follows from that.
    pub message: String,
    /// Whether the policy's targets answer 500.
    pub closes: bool,
}

impl Shortfall {
    /// The targets are served all the same.
    pub fn warns(pointer: Pointer, message: impl Into<String>) -> Self {
        Shortfall {
            pointer,
            message: message.into(),
            closes: false,
        }
    }

    /// The targets answer 500.
    pub fn closes(pointer: Pointer, message: impl Into<String>) -> Self {
        Shortfall {
            closes: true,
            ..Shortfall::warns(pointer, message)
        }
    }
}
