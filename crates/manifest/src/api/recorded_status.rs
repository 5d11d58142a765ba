//! The `status` in an object's file, as a cluster's export has it or another controller has written it.
//!
//! A status is never a reason to refuse an object: entries that don't follow the API are passed over, each with a
//! warning. Which of the entries are gatefold's own is decided when the object's status is reported.

use super::{ParentReference, SectionName, choice, object, rule};
use crate::{Decode, Decoder};
use gatefold_diagnostic::Code;
use gatefold_diagnostic::yaml::{Node, Value};

/// What the file says of the object's status, as far as more than one controller may write it.
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
        /// Which one.
        "type" => kind: String where rule::condition_type [1..=316],
        /// Whether it holds.
        "status" => status: RecordedConditionStatus,
        /// The generation of the object that was looked at.
        "observedGeneration" => observed_generation: Option<i64>,
        /// When `status` became what it is; the text is kept as it stands.
        "lastTransitionTime" => last_transition_time: String where rule::date_time,
        /// In CamelCase.
        "reason" => reason: String where rule::condition_reason [1..=1024],
        /// For people.
        "message" => message: String [0..=32768],
    }
}

choice! {
    /// Whether a condition holds.
    pub RecordedConditionStatus {
        /// It does.
        True,
        /// It doesn't.
        False,
        /// It is unknown.
        Unknown,
    }
}

object! {
    /// The status of a listener.
    pub open RecordedListener {
        /// The listener's name.
        "name" => name: SectionName,
        /// Its conditions.
        "conditions" => conditions: Vec<RecordedCondition> [0..=8],
    }
}

object! {
    /// The status of a route at one parent.
    pub open RecordedParent {
        /// The parent.
        "parentRef" => reference: ParentReference,
        /// The controller that reports it.
        "controllerName" => controller_name: String where rule::domain_path,
        /// The route's conditions there.
        "conditions" => conditions: Vec<RecordedCondition> [1..=8],
    }
}

object! {
    /// The status of a policy at one ancestor.
    pub open RecordedAncestor {
        /// The ancestor.
        "ancestorRef" => reference: ParentReference,
        /// The controller that reports it.
        "controllerName" => controller_name: String where rule::domain_path,
        /// The policy's conditions there.
        "conditions" => conditions: Vec<RecordedCondition> [1..=8],
    }
}

impl RecordedStatus {
    /// Reads the status of an object; `None` if the file has none, or nothing of interest in it.
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
