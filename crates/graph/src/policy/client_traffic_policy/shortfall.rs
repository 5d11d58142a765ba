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
    /// The policy's targets answer 500, because an object that it refers to can't be used. The reference is reported where it is
    /// resolved.
    Unresolved,
    /// The targets are served with the last good content of an object. It is reported where it is read.
    LastGood,
    /// The targets are served without it.
    Ignored,
    /// The targets are served with it, and have no protection where gatefold would have one.
    Unlimited,
}

impl ShortfallEffect {
    /// Whether the policy's targets answer 500.
    pub fn closes(self) -> bool {
        match self {
            ShortfallEffect::Closes | ShortfallEffect::Invalid | ShortfallEffect::Unresolved => {
                true
            }
            ShortfallEffect::LastGood | ShortfallEffect::Ignored | ShortfallEffect::Unlimited => {
                false
            }
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

    /// An object that the policy refers to can't be used. If `has_last_good`, its last good content stays in force.
    pub fn reference(pointer: Pointer, message: impl Into<String>, has_last_good: bool) -> Self {
        Shortfall {
            effect: if has_last_good {
                ShortfallEffect::LastGood
            } else {
                ShortfallEffect::Unresolved
            },
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
