//! What other controllers say in an object's status. It comes from the object's file and is shown unchanged, after
//! what gatefold says itself.

use super::types::{StatusCondition, parent_reference};
use gatefold_graph::condition::ConditionType;
use gatefold_manifest::api::{
    ParentReference, RecordedAncestor, RecordedCondition, RecordedListener, RecordedParent,
};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use std::collections::BTreeSet;
use std::ops::Deref;

/// The API allows no more in one list of conditions.
const MOST_CONDITIONS: usize = 8;

/// A list of conditions: those of gatefold, and those of types that gatefold doesn't report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    own: Vec<StatusCondition>,
    foreign: Vec<Foreign<RecordedCondition>>,
}

impl Conditions {
    /// Adds to the conditions of gatefold those of the file that aren't its own, as far as the API allows.
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

/// Whether gatefold reports conditions of this type, on whatever kind of object.
fn is_own(condition: &RecordedCondition) -> bool {
    let mut types = ConditionType::ALL.iter();
    types.any(|own| own.as_str() == condition.kind)
}

/// The conditions of gatefold.
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

/// One list after another, as one list.
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

/// An entry of a list in which each controller has entries of its own.
pub(super) trait Entry: Clone {
    /// The parent or ancestor.
    fn reference(&self) -> &ParentReference;
    /// The controller that wrote it.
    fn controller_name(&self) -> &str;
    /// The conditions.
    fn conditions(&self) -> &[RecordedCondition];
}

impl Entry for RecordedParent {
    fn reference(&self) -> &ParentReference {
        &self.reference
    }
    fn controller_name(&self) -> &str {
        &self.controller_name
    }
    fn conditions(&self) -> &[RecordedCondition] {
        &self.conditions
    }
}

impl Entry for RecordedAncestor {
    fn reference(&self) -> &ParentReference {
        &self.reference
    }
    fn controller_name(&self) -> &str {
        &self.controller_name
    }
    fn conditions(&self) -> &[RecordedCondition] {
        &self.conditions
    }
}

/// The entries of controllers that aren't `ours`, at most `room`.
pub(super) fn entries<E: Entry>(
    recorded: &[E],
    ours: &BTreeSet<String>,
    room: usize,
) -> Vec<Foreign<E>> {
    let foreign = recorded
        .iter()
        .filter(|it| !ours.contains(it.controller_name()));
    foreign.take(room).cloned().map(Foreign).collect()
}

/// What the file says in the entry for a parent that is gatefold's own. A reference without a namespace means `home`.
pub(super) fn recorded_at<'r, E: Entry>(
    recorded: &'r [E],
    controller_name: &str,
    reference: &ParentReference,
    home: &str,
) -> &'r [RecordedCondition] {
    let same = |it: &&E| {
        it.controller_name() == controller_name && is_same(it.reference(), reference, home)
    };
    recorded.iter().find(same).map_or(&[], E::conditions)
}

fn is_same(one: &ParentReference, other: &ParentReference, home: &str) -> bool {
    let key = |it: &ParentReference| (it.section_name.clone(), it.port);
    let namespace = |it: &ParentReference| it.namespace.clone().unwrap_or_else(|| home.to_owned());
    (&one.group, &one.kind, &one.name) == (&other.group, &other.kind, &other.name)
        && namespace(one) == namespace(other)
        && key(one) == key(other)
}

/// What the file says of a listener.
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

impl Serialize for Foreign<RecordedParent> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        entry("parentRef", &self.0, serializer)
    }
}

impl Serialize for Foreign<RecordedAncestor> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        entry("ancestorRef", &self.0, serializer)
    }
}

fn entry<S: Serializer>(
    field: &'static str,
    entry: &impl Entry,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    struct Reference<'a>(&'a ParentReference);
    impl Serialize for Reference<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            parent_reference(self.0, serializer)
        }
    }
    let mut map = serializer.serialize_map(Some(3))?;
    map.serialize_entry(field, &Reference(entry.reference()))?;
    map.serialize_entry("controllerName", entry.controller_name())?;
    let conditions: Vec<_> = entry.conditions().iter().map(Foreign).collect();
    map.serialize_entry("conditions", &conditions)?;
    map.end()
}
