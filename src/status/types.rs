//! Statuses in the API's form. Every field that a CRD requires is present, without an `Option`.

use super::foreign::{Both, Conditions, ForeignEntry};
use gatefold_graph::condition::{Condition, ConditionStatus, ConditionType, Reason};
use gatefold_manifest::api::{ParentReference, RecordedCondition, SectionName};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Serialize, ser::SerializeMap};
use std::borrow::Cow;
use std::net::IpAddr;
use time::OffsetDateTime;
use time::macros::format_description;

/// `GatewayClass.status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// The class's conditions.
    pub conditions: Conditions,
    /// The supported features, ordered by name.
    pub supported_features: Vec<SupportedFeature>,
}

/// A feature's name, as the conformance suite knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SupportedFeature {
    /// The name.
    pub name: &'static str,
}

/// `Gateway.status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Addresses that a client can use.
    pub addresses: Vec<StatusAddress>,
    /// The Gateway's conditions.
    pub conditions: Conditions,
    /// The listeners, in the order of the manifest.
    pub listeners: Vec<ListenerStatus>,
    /// The number of attached ListenerSets: those that are allowed and accepted.
    pub attached_listener_sets: u32,
}

/// `ListenerSet.status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListenerSetStatus {
    /// The ListenerSet's conditions.
    pub conditions: Conditions,
    /// The listeners, in the order of the manifest; none if the Gateway doesn't allow them.
    pub listeners: Vec<ListenerStatus>,
}

/// An address that a client can use: always an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusAddress(pub IpAddr);

impl Serialize for StatusAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "IPAddress")?;
        map.serialize_entry("value", &self.0)?;
        map.end()
    }
}

/// One entry of `status.listeners` of a Gateway or ListenerSet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// The kinds of routes that may attach.
    pub supported_kinds: Vec<SupportedKind>,
    /// The number of accepted routes that are attached.
    pub attached_routes: u32,
    /// The listener's conditions.
    pub conditions: Conditions,
}

/// A kind of route that may attach to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SupportedKind {
    /// Its API group.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static str,
}

/// The status of a route of any kind. Without a parent the list is empty, never absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteStatus {
    /// One entry for each parent reference that resolves to a Gateway that gatefold serves.
    pub parents: Vec<RouteParentStatus>,
    /// The entries of other controllers, from the file.
    pub foreign: Vec<ForeignEntry>,
}

impl Serialize for RouteStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("parents", &Both(&self.parents, &self.foreign))?;
        map.end()
    }
}

/// One entry of a route's `status.parents`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The reference as in the manifest, with group and kind filled in.
    #[serde(serialize_with = "parent_reference")]
    pub parent_ref: ParentReference,
    /// The controller that reports the entry.
    pub controller_name: String,
    /// The route's conditions at this parent.
    pub conditions: Conditions,
}

/// The status of a policy. Without an ancestor the list is empty, never absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyStatus {
    /// The Gateways that the policy affects and gatefold serves, at most 16.
    pub ancestors: Vec<PolicyAncestorStatus>,
    /// The entries of other controllers, from the file.
    pub foreign: Vec<ForeignEntry>,
}

impl Serialize for PolicyStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("ancestors", &Both(&self.ancestors, &self.foreign))?;
        map.end()
    }
}

/// One entry of a policy's `status.ancestors`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The Gateway or ListenerSet, with its namespace.
    pub ancestor_ref: AncestorReference,
    /// The controller that reports the entry.
    pub controller_name: String,
    /// The policy's conditions.
    pub conditions: Conditions,
}

/// A Gateway or ListenerSet, as a policy's status names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorReference {
    /// Its API group.
    pub group: &'static str,
    /// `Gateway` or `ListenerSet`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The listener, if the policy affects only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

impl AncestorReference {
    /// Converts to a reference to a parent.
    pub(super) fn as_parent(&self) -> ParentReference {
        let section = self.section_name.as_deref();
        ParentReference {
            group: self.group.to_owned(),
            kind: self.kind.to_owned(),
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
            section_name: section.and_then(|name| SectionName::parse(name).ok()),
            port: None,
        }
    }
}

/// Serializes a reference with the API's defaults filled in, and without absent fields.
pub(super) fn parent_reference<S: Serializer>(
    reference: &ParentReference,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("group", &reference.group)?;
    map.serialize_entry("kind", &reference.kind)?;
    if let Some(namespace) = &reference.namespace {
        map.serialize_entry("namespace", namespace)?;
    }
    map.serialize_entry("name", &reference.name)?;
    if let Some(section) = &reference.section_name {
        map.serialize_entry("sectionName", section.as_str())?;
    }
    if let Some(port) = reference.port {
        map.serialize_entry("port", &port.get())?;
    }
    map.end()
}

/// A condition of a status.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusCondition {
    /// Its type.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The generation of the object that the condition is about.
    pub observed_generation: i64,
    /// When `status` last changed, in whole seconds.
    pub last_transition_time: OffsetDateTime,
    /// Why.
    pub reason: Reason,
    /// The message for people.
    pub message: Cow<'static, str>,
}

/// What the report adds to every condition of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// The object's generation.
    pub generation: i64,
    /// The time of the report.
    pub now: OffsetDateTime,
}

impl Stamp {
    /// Makes the conditions of a status, in order. A condition whose `status` is the same as in `previous` keeps its
    /// transition time. Recorded conditions of types that gatefold doesn't report are kept.
    pub fn conditions<'c>(
        self,
        conditions: impl IntoIterator<Item = &'c Condition>,
        previous: &[StatusCondition],
        recorded: &[RecordedCondition],
    ) -> Conditions {
        let mut stamped: Vec<StatusCondition> = conditions
            .into_iter()
            .map(|condition| self.condition(condition, previous))
            .collect();
        stamped.sort_by_key(|condition| condition.kind);
        Conditions::new(stamped, recorded)
    }

    fn condition(self, condition: &Condition, previous: &[StatusCondition]) -> StatusCondition {
        let unchanged = previous
            .iter()
            .find(|before| before.kind == condition.kind && before.status == condition.status);
        let now = self.now.replace_nanosecond(0).unwrap_or(self.now);
        StatusCondition {
            kind: condition.kind,
            status: condition.status,
            observed_generation: self.generation,
            last_transition_time: unchanged.map_or(now, |before| before.last_transition_time),
            reason: condition.reason,
            message: condition.message.clone(),
        }
    }
}

impl Serialize for StatusCondition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let time = self.last_transition_time.to_offset(time::UtcOffset::UTC);
        let time = time.format(format).map_err(serde::ser::Error::custom)?;
        let mut fields = serializer.serialize_struct("Condition", 6)?;
        fields.serialize_field("type", self.kind.as_str())?;
        fields.serialize_field("status", self.status.as_str())?;
        fields.serialize_field("observedGeneration", &self.observed_generation)?;
        fields.serialize_field("lastTransitionTime", &time)?;
        fields.serialize_field("reason", self.reason.as_str())?;
        fields.serialize_field("message", &self.message)?;
        fields.end()
    }
}
