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
    /// The policy's targets answer 500, because gatefold doesn't serve it.
    Closes,
    /// The policy's targets answer 500, because it can't be applied as written.
    Invalid,
    /// The targets are served without it.
    Ignored,
    /// The targets are served with it, and have no protection where gatefold would have one.
    Unlimited,
}

impl ShortfallEffect {
    /// Whether the policy's targets answer 500.
    pub fn closes(self) -> bool {
        match self {
            ShortfallEffect::Closes | ShortfallEffect::Invalid => true,
            ShortfallEffect::Ignored | ShortfallEffect::Unlimited => false,
        }
    }
}

impl Shortfall {
    /// The targets are served without the value.
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

    /// The targets answer 500, because the value can't be applied as written.
    pub fn invalid(pointer: Pointer, message: impl Into<String>) -> Self {
        Shortfall {
            effect: ShortfallEffect::Invalid,
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
