//! Routes and ListenerSets of kinds that gatefold doesn't read yet: TLSRoute, TCPRoute, UDPRoute and XListenerSet.
//!
//! In: an object of such a kind. Out: its name and the parents that it names, so that the graph can say which Gateway
//! doesn't carry it. Nothing else is read.

use crate::api::GATEWAY_GROUP;
use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Document, Place, Pointer, ResourceId};
use std::sync::Arc;

/// The group of the experimental kinds.
const EXPERIMENTAL_GROUP: &str = "gateway.networking.x-k8s.io";

/// A kind that gatefold doesn't read yet, and whose objects belong to Gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadRouteKind {
    /// A route by server name.
    TlsRoute,
    /// A route of TCP connections.
    TcpRoute,
    /// A route of UDP packets.
    UdpRoute,
    /// The experimental form of ListenerSet.
    XListenerSet,
}

impl UnreadRouteKind {
    const ALL: [UnreadRouteKind; 4] = [
        UnreadRouteKind::TlsRoute,
        UnreadRouteKind::TcpRoute,
        UnreadRouteKind::UdpRoute,
        UnreadRouteKind::XListenerSet,
    ];

    fn find(group: &str, kind: &str) -> Option<Self> {
        let mut all = UnreadRouteKind::ALL.into_iter();
        all.find(|known| known.group() == group && known.as_str() == kind)
    }

    /// The kind as a manifest spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            UnreadRouteKind::TlsRoute => "TLSRoute",
            UnreadRouteKind::TcpRoute => "TCPRoute",
            UnreadRouteKind::UdpRoute => "UDPRoute",
            UnreadRouteKind::XListenerSet => "XListenerSet",
        }
    }

    fn group(self) -> &'static str {
        match self {
            UnreadRouteKind::TlsRoute | UnreadRouteKind::TcpRoute | UnreadRouteKind::UdpRoute => {
                GATEWAY_GROUP
            }
            UnreadRouteKind::XListenerSet => EXPERIMENTAL_GROUP,
        }
    }
}

/// The objects of these kinds that name a parent, in the order of files.
pub type UnreadRoutes = Arc<[UnreadRoute]>;

/// A route or ListenerSet of a kind that gatefold doesn't read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRoute {
    /// Its kind.
    pub kind: UnreadRouteKind,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind, namespace and name.
    pub id: ResourceId,
    /// The parents that it names. There is at least one.
    pub parents: Vec<UnreadParent>,
    document: Document,
}

/// A parent reference of an [`UnreadRoute`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadParent {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace, that of the object if the reference has none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl UnreadRoute {
    /// Reads an object of one of these kinds. `None` for another kind, and for an object that names no parent.
    pub(crate) fn read(
        (group, kind): (&str, &str),
        api_version: &str,
        node: &Node,
        document: &Document,
    ) -> Option<Self> {
        let kind = UnreadRouteKind::find(group, kind)?;
        let metadata = node.field("metadata")?;
        let namespace = text(metadata, "namespace").unwrap_or("default");
        let id = ResourceId {
            kind: kind.as_str().to_owned(),
            namespace: namespace.to_owned(),
            name: text(metadata, "name")?.to_owned(),
        };
        let spec = node.field("spec")?;
        let references: Vec<&Node> = match kind {
            UnreadRouteKind::XListenerSet => spec.field("parentRef").into_iter().collect(),
            UnreadRouteKind::TlsRoute | UnreadRouteKind::TcpRoute | UnreadRouteKind::UdpRoute => {
                match &spec.field("parentRefs")?.value {
                    Value::Sequence(items) => items.iter().collect(),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Mapping(_) => return None,
                }
            }
        };
        let parents = references.into_iter();
        let parents = parents.filter_map(|reference| UnreadParent::read(reference, namespace));
        let parents: Vec<UnreadParent> = parents.collect();
        (!parents.is_empty()).then(|| UnreadRoute {
            kind,
            api_version: api_version.to_owned(),
            id,
            parents,
            document: document.clone(),
        })
    }

    /// The same object, after its document has moved within its file.
    pub(crate) fn moved(&self, to: &Document) -> Self {
        UnreadRoute {
            document: self.document.moved(to),
            ..self.clone()
        }
    }

    /// The place of a field.
    pub fn place(&self, pointer: Pointer) -> Place {
        Place::Field {
            document: self.document.clone(),
            pointer,
        }
    }
}

impl UnreadParent {
    fn read(node: &Node, namespace: &str) -> Option<Self> {
        Some(UnreadParent {
            group: text(node, "group").unwrap_or(GATEWAY_GROUP).to_owned(),
            kind: text(node, "kind").unwrap_or("Gateway").to_owned(),
            namespace: text(node, "namespace").unwrap_or(namespace).to_owned(),
            name: text(node, "name")?.to_owned(),
        })
    }
}

fn text<'n>(node: &'n Node, field: &str) -> Option<&'n str> {
    let value = node.field(field)?.as_str()?;
    (!value.is_empty()).then_some(value)
}
