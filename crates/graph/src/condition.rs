//! Conditions: what a status says about an object.

use std::borrow::Cow;
use std::fmt;

/// One condition of a status, but for the generation and the time, which the report adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which one.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The API's reason, or one of ours, in CamelCase.
    pub reason: &'static str,
    /// For people: what, and what to do.
    pub message: Cow<'static, str>,
}

impl Condition {
    /// A condition that holds.
    pub fn holds(
        kind: ConditionType,
        reason: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Condition {
            kind,
            status: ConditionStatus::True,
            reason,
            message: message.into(),
        }
    }

    /// A condition that doesn't hold.
    pub fn fails(
        kind: ConditionType,
        reason: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Condition {
            status: ConditionStatus::False,
            ..Condition::holds(kind, reason, message)
        }
    }

    /// Holds when nothing stands against it, else fails for the first of the reasons and with the
    /// messages of all.
    pub fn unless(
        kind: ConditionType,
        problems: &[(&'static str, String)],
        reason: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        match problems.first() {
            None => Condition::holds(kind, reason, message),
            Some((first, _)) => Condition::fails(kind, first, join(problems)),
        }
    }
}

/// The messages of several problems as one, each once.
fn join(problems: &[(&'static str, String)]) -> String {
    let mut messages: Vec<&str> = Vec::new();
    for (_, message) in problems {
        if !messages.contains(&message.as_str()) {
            messages.push(message);
        }
    }
    messages.join("; ")
}

/// The condition of one type among several.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Whether the condition of one type is there and holds.
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == ConditionStatus::True)
}

/// Puts a condition in the place of the one of the same type, or adds it.
pub fn set(conditions: &mut Vec<Condition>, condition: Condition) {
    match conditions.iter_mut().find(|c| c.kind == condition.kind) {
        Some(present) => *present = condition,
        None => conditions.push(condition),
    }
}

macro_rules! condition_types {
    ($($name:ident,)+) => {
        /// The conditions of the API, in the order in which a status lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are the API's own")]
        pub enum ConditionType { $($name,)+ }

        impl ConditionType {
            /// Every type that gatefold reports.
            pub const ALL: &[ConditionType] = &[$(ConditionType::$name,)+];

            /// The name in a status.
            pub fn as_str(self) -> &'static str {
                match self { $(ConditionType::$name => stringify!($name),)+ }
            }
        }
    };
}

condition_types! {
    Accepted,
    Programmed,
    ResolvedRefs,
    Conflicted,
    OverlappingTLSConfig,
    PartiallyInvalid,
    SupportedVersion,
    InsecureFrontendValidationMode,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    /// The word in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }
}
