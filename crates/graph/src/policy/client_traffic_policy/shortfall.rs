//! Values of a policy that gatefold can't follow, or that its author may not have meant.

use gatefold_diagnostic::Pointer;

/// A value of a policy that must be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// The place in the policy.
    pub pointer: Pointer,
    /// What is missing, and what follows from that.
    pub message: String,
    pub effect: ShortfallEffect,
}

/// What follows from such a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShortfallEffect {
    /// The policy's targets answer 500.
    Closes,
    /// The targets are served without it.
    Ignored,
    /// The targets are served with it, and have no protection where gatefold would have one.
    Unlimited,
}

impl Shortfall {
    /// The targets are served all the same.
    pub fn warns(pointer: Pointer, message: impl Into<String>) -> Self {
        Shortfall {
            pointer,
            message: message.into(),
            effect: ShortfallEffect::Ignored,
        }
    }

    /// The targets answer 500.
    pub fn closes(pointer: Pointer, message: impl Into<String>) -> Self {
        Shortfall {
            effect: ShortfallEffect::Closes,
            ..Shortfall::warns(pointer, message)
        }
    }

    /// A limit is turned off.
    pub fn unlimited(pointer: Pointer, message: impl Into<String>) -> Self {
        Shortfall {
            effect: ShortfallEffect::Unlimited,
            ..Shortfall::warns(pointer, message)
        }
    }
}
