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
    pub parents: Vec<RecordedEntry>,
    /// `ancestors` of a policy.
    pub ancestors: Vec<RecordedEntry>,
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

/// The status of a route at one parent, or of a policy at one ancestor, as a controller has written it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEntry {
    /// The parent or the ancestor.
    pub reference: ParentReference,
    /// The controller that reports it.
    pub controller_name: String,
    /// The object's conditions there.
    pub conditions: Vec<RecordedCondition>,
}

object! {
    /// The fields that entries for parents and for ancestors share.
    pub open RecordedReport {
        /// The controller that reports it.
        "controllerName" => controller_name: String where rule::domain_path,
        /// The object's conditions there.
        "conditions" => conditions: Vec<RecordedCondition> [1..=8],
    }
}

impl RecordedEntry {
    /// Reads an entry whose `field` names the parent or the ancestor.
    fn read(field: &'static str, node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let reference = decoder.open(node)?.read::<ParentReference>(field, decoder);
        let report = RecordedReport::decode(node, decoder)?;
        Some(RecordedEntry {
            reference: reference?,
            controller_name: report.controller_name,
            conditions: report.conditions,
        })
    }
}

impl RecordedStatus {
    /// Decodes the status of an object. Returns `None` if the file has none, or none of these parts.
    pub(crate) fn read(object: &Node, decoder: &mut Decoder) -> Option<Self> {
        let found = object.entry("status");
        let (key, status) = found.filter(|(_, status)| status.value != Value::Null)?;
        decoder.within_key(key, |decoder| {
            decoder.forgivingly(Code::InvalidStatus, |decoder| decoder.open(status))?;
            let parent = |node: &Node, decoder: &mut Decoder| {
                RecordedEntry::read("parentRef", node, decoder)
            };
            let ancestor = |node: &Node, decoder: &mut Decoder| {
                RecordedEntry::read("ancestorRef", node, decoder)
            };
            let recorded = RecordedStatus {
                conditions: entries(status, "conditions", Decode::decode, decoder),
                listeners: entries(status, "listeners", Decode::decode, decoder),
                parents: entries(status, "parents", parent, decoder),
                ancestors: entries(status, "ancestors", ancestor, decoder),
            };
            (recorded != RecordedStatus::default()).then_some(recorded)
        })
    }
}

/// Reads the entries of a list that follow the API.
fn entries<T>(
    status: &Node,
    field: &str,
    read: impl Fn(&Node, &mut Decoder) -> Option<T>,
    decoder: &mut Decoder,
) -> Vec<T> {
    let Some((key, list)) = status.entry(field) else {
        return Vec::new();
    };
    let found = decoder.within_key(key, |decoder| {
        let items = match &list.value {
            Value::Null => return None,
            Value::Sequence(items) => items,
            _ => {
                return decoder.forgivingly(Code::InvalidStatus, |decoder| {
                    decoder.wrong_type(list, "a list");
                    None
                });
            }
        };
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let entry = decoder.within(index, |decoder| {
                decoder.forgivingly(Code::InvalidStatus, |decoder| read(item, decoder))
            });
            found.extend(entry);
        }
        Some(found)
    });
    found.unwrap_or_default()
}
