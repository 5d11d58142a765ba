//! The entries of other controllers in an object's status. They come from the object's file and are shown unchanged, after
//! gatefold's own entries.

use super::types::{StatusCondition, parent_reference};
use gatefold_graph::condition::ConditionType;
use gatefold_manifest::api::{ParentReference, RecordedCondition, RecordedEntry, RecordedListener};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use std::collections::BTreeSet;
use std::ops::Deref;

/// The API allows no more in one list of conditions.
const MOST_CONDITIONS: usize = 8;

/// A list of conditions: gatefold's own, then recorded ones of types that gatefold doesn't report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    own: Vec<StatusCondition>,
    foreign: Vec<Foreign<RecordedCondition>>,
}

impl Conditions {
    /// Appends to gatefold's own conditions the recorded ones of other types, up to the API's limit.
    pub(super) fn new(own: Vec<StatusCondition>, recorded: &[RecordedCondition]) -> Self {
        let mut foreign: Vec<Foreign<RecordedCondition>> = Vec::new();
        for condition in recorded.iter().filter(|it| !is_own(it)) {
            let full = own.len() + foreign.len() >= MOST_CONDITIONS;
            if !full && foreign.iter().all(|it| it.0.kind != condition.kind) {
                foreign.push(Foreign(condition.clone()));
            }
        }
        Conditions { own, foreign }
    }
}

/// Whether gatefold reports conditions of this type on objects of any kind.
fn is_own(condition: &RecordedCondition) -> bool {
    let mut types = ConditionType::ALL.iter();
    types.any(|own| own.as_str() == condition.kind)
}

/// Dereferences to gatefold's own conditions.
impl Deref for Conditions {
    type Target = [StatusCondition];

    fn deref(&self) -> &[StatusCondition] {
        &self.own
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Both(&self.own, &self.foreign).serialize(serializer)
    }
}

/// A part of a status in the object's file that another controller wrote. It is reported unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign<E>(E);

/// Two lists, serialized as one.
pub(super) struct Both<'a, A, B>(pub &'a [A], pub &'a [B]);

impl<A: Serialize, B: Serialize> Serialize for Both<'_, A, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Both(first, second) = self;
        let mut list = serializer.serialize_seq(Some(first.len() + second.len()))?;
        first.iter().try_for_each(|it| list.serialize_element(it))?;
        second
            .iter()
            .try_for_each(|it| list.serialize_element(it))?;
        list.end()
    }
}

/// An entry that another controller has written for a parent or an ancestor.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignEntry {
    /// The name of the field with the parent or the ancestor.
    field: &'static str,
    entry: RecordedEntry,
}

/// Returns the entries of controllers that aren't in `ours`, at most `room` of them. `field` names the parent or the
/// ancestor.
pub(super) fn entries(
    field: &'static str,
    recorded: &[RecordedEntry],
    ours: &BTreeSet<String>,
    room: usize,
) -> Vec<ForeignEntry> {
    let recorded = recorded.iter().cloned();
    let foreign = recorded.filter(|it| !ours.contains(&it.controller_name));
    let foreign = foreign.map(|entry| ForeignEntry { field, entry });
    foreign.take(room).collect()
}

/// Returns the recorded conditions of gatefold's own entry for a parent. A reference without a namespace means `home`.
pub(super) fn recorded_at<'r>(
    recorded: &'r [RecordedEntry],
    controller_name: &str,
    reference: &ParentReference,
    home: &str,
) -> &'r [RecordedCondition] {
    let same = |it: &&RecordedEntry| {
        it.controller_name == controller_name && is_same(&it.reference, reference, home)
    };
    recorded
        .iter()
        .find(same)
        .map_or(&[], |entry| &entry.conditions)
}

fn is_same(one: &ParentReference, other: &ParentReference, home: &str) -> bool {
    let key = |it: &ParentReference| (it.section_name.clone(), it.port);
    let namespace = |it: &ParentReference| it.namespace.clone().unwrap_or_else(|| home.to_owned());
    (&one.group, &one.kind, &one.name) == (&other.group, &other.kind, &other.name)
        && namespace(one) == namespace(other)
        && key(one) == key(other)
}

/// Returns the recorded conditions of a listener.
pub(super) fn recorded_of<'r>(
    recorded: &'r [RecordedListener],
    name: &str,
) -> &'r [RecordedCondition] {
    let found = recorded.iter().find(|it| it.name.as_str() == name);
    found.map_or(&[], |it| &it.conditions)
}

impl Serialize for Foreign<RecordedCondition> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Foreign(&self.0).serialize(serializer)
    }
}

impl Serialize for Foreign<&RecordedCondition> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Foreign(condition) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &condition.kind)?;
        map.serialize_entry("status", condition.status.as_str())?;
        if let Some(generation) = condition.observed_generation {
            map.serialize_entry("observedGeneration", &generation)?;
        }
        map.serialize_entry("lastTransitionTime", &condition.last_transition_time)?;
        map.serialize_entry("reason", &condition.reason)?;
        map.serialize_entry("message", &condition.message)?;
        map.end()
    }
}

impl Serialize for ForeignEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Related<'a>(&'a ParentReference);
        impl Serialize for Related<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                parent_reference(self.0, serializer)
            }
        }
        let ForeignEntry { field, entry } = self;
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry(field, &Related(&entry.reference))?;
        map.serialize_entry("controllerName", &entry.controller_name)?;
        let conditions: Vec<_> = entry.conditions.iter().map(Foreign).collect();
        map.serialize_entry("conditions", &conditions)?;
        map.end()
    }
}
