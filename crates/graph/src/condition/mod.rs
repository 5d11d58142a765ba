//! Conditions: the entries of a status that say whether something holds for an object, with a reason.

mod problem;
mod reason;

pub(crate) use problem::Problem;
pub use reason::Reason;

use gatefold_manifest::api::NamespacedName;
use std::borrow::Cow;
use std::fmt;

/// One condition of a status. The report adds the generation and the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its type.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why.
    pub reason: Reason,
    /// The message for people: what is the case, and what to do.
    pub message: Cow<'static, str>,
}

impl Condition {
    /// Returns a condition with status `True`.
    pub fn holds(
        kind: ConditionType,
        reason: Reason,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Condition {
            kind,
            status: ConditionStatus::True,
            reason,
            message: message.into(),
        }
    }

    /// Returns a condition with status `False`.
    pub fn fails(
        kind: ConditionType,
        reason: Reason,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Condition {
            status: ConditionStatus::False,
            ..Condition::holds(kind, reason, message)
        }
    }

    /// Returns `Accepted`, which holds with `message` if there are no problems. Otherwise it fails with the reason of the
    /// first problem and the messages of all of them.
    pub(crate) fn accepted(problems: &[Problem], message: &'static str) -> Self {
        Condition::failing(ConditionType::Accepted, problems)
            .unwrap_or_else(|| Condition::holds(ConditionType::Accepted, Reason::Accepted, message))
    }

    /// Returns `ResolvedRefs`, which holds if there are no problems. Otherwise it fails with the reason of the first problem
    /// and the messages of all of them.
    pub(crate) fn resolved_refs(problems: &[Problem]) -> Self {
        const RESOLVED_REFS: ConditionType = ConditionType::ResolvedRefs;
        Condition::failing(RESOLVED_REFS, problems).unwrap_or_else(|| {
            let message = "all references are resolved";
            Condition::holds(RESOLVED_REFS, Reason::ResolvedRefs, message)
        })
    }

    /// The same for references of which some name Secrets that aren't in the folder and have stand-ins. The message says so.
    pub(crate) fn resolved_refs_but_for(problems: &[Problem], missing: &[NamespacedName]) -> Self {
        let condition = Condition::resolved_refs(problems);
        if missing.is_empty() || condition.status != ConditionStatus::True {
            return condition;
        }
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let message = format!(
            "certificates of the development CA stand in for missing Secrets: {}",
            missing.join(", ")
        );
        Condition::holds(condition.kind, condition.reason, message)
    }

    fn failing(kind: ConditionType, problems: &[Problem]) -> Option<Self> {
        let reason = problems.first()?.reason;
        Some(Condition::fails(kind, reason, Problem::messages(problems)))
    }
}

/// Returns the condition of a type.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Whether there is a condition of a type, and it holds.
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == ConditionStatus::True)
}

/// Replaces the condition of the same type, or adds the condition if there is none.
pub fn set(conditions: &mut Vec<Condition>, condition: Condition) {
    match conditions.iter_mut().find(|c| c.kind == condition.kind) {
        Some(present) => *present = condition,
        None => conditions.push(condition),
    }
}

macro_rules! condition_types {
    ($($name:ident,)+) => {
        /// The types of conditions, in the order in which a status lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the names are the API's own")]
        pub enum ConditionType { $($name,)+ }

        impl ConditionType {
            /// Every type that gatefold reports.
            pub const ALL: &[ConditionType] = &[$(ConditionType::$name,)+];

            /// The type as a status spells it.
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
    Merged,
    Overridden,
    Warning,
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
    /// The status as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }
}
