//! ListenerSet.

use crate::Decoder;
use crate::api::{GATEWAY_GROUP, Listener, Object, object, rule};
use gatefold_diagnostic::yaml::Node;

/// Additional listeners for a Gateway.
pub type ListenerSet = Object<ListenerSetSpec>;

object! {
    /// `ListenerSet.spec`.
    pub closed ListenerSetSpec checked by ListenerSetSpec::check {
        /// The Gateway that gets the listeners.
        "parentRef" => parent_ref: ParentGatewayReference,
        /// The listeners; names are unique within the set.
        "listeners" => listeners: Vec<Listener> [1..=64],
    }
}

object! {
    /// The Gateway of a ListenerSet.
    pub closed ParentGatewayReference {
        /// The API group.
        "group" => group: String where rule::group = GATEWAY_GROUP.to_owned(),
        /// The kind.
        "kind" => kind: String where rule::kind = "Gateway".to_owned(),
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; absent for that of the ListenerSet.
        "namespace" => namespace: Option<String> where rule::namespace,
    }
}

impl ListenerSetSpec {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        Listener::check_list(&self.listeners, "a ListenerSet", node, decoder);
    }
}
