//! The `status` in the file of an object, exported from a cluster or written by another controller.
//!
//! In: the `status` field. Out: its entries that follow the API, and a warning for each that doesn't. An object is never
//! refused because of its status. Which entries belong to gatefold is decided when the status is reported.

use crate::api::{ParentReference, SectionName, choice, object, rule};
use crate::{Decode, Decoder};
use gatefold_diagnostic::Code;
use gatefold_diagnostic::yaml::{Node, Value};

/// The parts of a recorded status that several controllers may write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedStatus {
    /// `conditions`.
    pub conditions: Vec<RecordedCondition>,
    /// `listeners` of a Gateway or a ListenerSet.
    pub listeners: Vec<RecordedListener>,
    /// `parents` of a route.
    pub parents: Vec<RecordedParent>,
    /// `ancestors` of a policy.
    pub ancestors: Vec<RecordedAncestor>,
}

object! {
    /// A condition.
    pub open RecordedCondition {
        /// The type.
        "type" => kind: String where rule::condition_type [1..=316],
        /// Whether the condition holds.
        "status" => status: RecordedConditionStatus,
        /// The generation of the object for which the condition was determined.
        "observedGeneration" => observed_generation: Option<i64>,
        /// When `status` last changed; the text is kept unchanged.
        "lastTransitionTime" => last_transition_time: String where rule::date_time,
        /// The reason, in CamelCase.
        "reason" => reason: String where rule::condition_reason [1..=1024],
        /// The message for people.
        "message" => message: String [0..=32768],
    }
}

choice! {
    /// Whether a condition holds.
    pub RecordedConditionStatus {
        /// The condition holds.
        True,
        /// The condition doesn't hold.
        False,
        /// Whether the condition holds is unknown.
        Unknown,
    }
}

object! {
    /// The status of a listener.
    pub open RecordedListener {
        /// The name of the listener.
        "name" => name: SectionName,
        /// The conditions of the listener.
        "conditions" => conditions: Vec<RecordedCondition> [0..=8],
    }
}

object! {
    /// The status of a route for one parent.
    pub open RecordedParent {
        /// The parent.
        "parentRef" => reference: ParentReference,
        /// The controller that reported the status.
        "controllerName" => controller_name: String where rule::domain_path,
        /// The conditions of the route for this parent.
        "conditions" => conditions: Vec<RecordedCondition> [1..=8],
    }
}

object! {
    /// The status of a policy for one ancestor.
    pub open RecordedAncestor {
        /// The ancestor.
        "ancestorRef" => reference: ParentReference,
        /// The controller that reported the status.
        "controllerName" => controller_name: String where rule::domain_path,
        /// The conditions of the policy for this ancestor.
        "conditions" => conditions: Vec<RecordedCondition> [1..=8],
    }
}

impl RecordedStatus {
    /// Decodes the status of an object. Returns `None` if the file has none, or none of these parts.
    pub(crate) fn read(object: &Node, decoder: &mut Decoder) -> Option<Self> {
        let found = object.entry("status");
        let (key, status) = found.filter(|(_, status)| status.value != Value::Null)?;
        decoder.within_key(key, |decoder| {
            decoder.forgivingly(Code::InvalidStatus, |decoder| decoder.open(status))?;
            let recorded = RecordedStatus {
                conditions: entries(status, "conditions", decoder),
                listeners: entries(status, "listeners", decoder),
                parents: entries(status, "parents", decoder),
                ancestors: entries(status, "ancestors", decoder),
            };
            (recorded != RecordedStatus::default()).then_some(recorded)
        })
    }
}

/// The entries of a list that follow the API.
fn entries<T: Decode>(status: &Node, field: &str, decoder: &mut Decoder) -> Vec<T> {
    let Some((key, list)) = status.entry(field) else {
        return Vec::new();
    };
    let read = decoder.within_key(key, |decoder| {
        let items = match &list.value {
            Value::Null => return None,
            Value::Sequence(items) => items,
            _ => {
                let wrong = |decoder: &mut Decoder| Vec::<T>::decode(list, decoder);
                return decoder.forgivingly(Code::InvalidStatus, wrong);
            }
        };
        let mut read = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let entry = decoder.within(index, |decoder| {
                decoder.forgivingly(Code::InvalidStatus, |decoder| T::decode(item, decoder))
            });
            read.extend(entry);
        }
        Some(read)
    });
    read.unwrap_or_default()
}
