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
    pub parents: Vec<RecordedEntry>,
    /// `ancestors` of a policy.
    pub ancestors: Vec<RecordedEntry>,
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
    /// Reads the status of an object; `None` if the file has none, or nothing of interest in it.
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
