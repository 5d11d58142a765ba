//! The object that contains a listener.

use gatefold_diagnostic::{Place, Pointer, ResourceId};
use gatefold_manifest::api::{Gateway, Listener, ListenerSet, NamespacedName};
use std::sync::Arc;

/// The object that contains a listener.
#[derive(Clone, Debug)]
pub enum ListenerOwner {
    /// The Gateway that serves it.
    Gateway(Arc<Gateway>),
    /// A ListenerSet of that Gateway.
    ListenerSet(Arc<ListenerSet>),
}

impl ListenerOwner {
    /// Returns its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.kind().name(),
            ListenerOwner::ListenerSet(set) => set.kind().name(),
        }
    }

    /// Returns its namespace and name.
    pub fn key(&self) -> NamespacedName {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.key(),
            ListenerOwner::ListenerSet(set) => set.key(),
        }
    }

    /// Returns its identity for diagnostics.
    pub fn id(&self) -> ResourceId {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.id(),
            ListenerOwner::ListenerSet(set) => set.id(),
        }
    }

    /// Returns the place of one of its fields.
    pub fn place(&self, pointer: Pointer) -> Place {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.place(pointer),
            ListenerOwner::ListenerSet(set) => set.place(pointer),
        }
    }

    /// Returns its namespace.
    pub fn namespace(&self) -> &str {
        match self {
            ListenerOwner::Gateway(gateway) => &gateway.meta.namespace,
            ListenerOwner::ListenerSet(set) => &set.meta.namespace,
        }
    }

    /// Returns its listeners as in the manifest.
    pub fn listeners(&self) -> &[Listener] {
        match self {
            ListenerOwner::Gateway(gateway) => &gateway.spec.listeners,
            ListenerOwner::ListenerSet(set) => &set.spec.listeners,
        }
    }
}
