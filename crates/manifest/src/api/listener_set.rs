use super::{GATEWAY_GROUP, Listener, Object, object, rule};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;

/// More listeners for a Gateway, in an object of their own.
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
        /// Its API group.
        "group" => group: String where rule::group = GATEWAY_GROUP.to_owned(),
        /// Its kind.
        "kind" => kind: String where rule::kind = "Gateway".to_owned(),
        /// Its name.
        "name" => name: String where rule::object_name,
        /// Its namespace; that of the ListenerSet when absent.
        "namespace" => namespace: Option<String> where rule::namespace,
    }
}

impl ListenerSetSpec {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        Listener::check_list(&self.listeners, "a ListenerSet", node, decoder);
    }
}
