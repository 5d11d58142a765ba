//! ListenerSets and the Gateways that allow them (API: `ListenerSet`, GEP-1713).
//!
//! A Gateway's node lists its own listeners and those of its sets in order of precedence: its own first, then those of the
//! oldest set.

use super::node::{GatewayNode, GatewayNodes};
use crate::listener::{self, ListenerContext, ListenerOwner};
use crate::reference::Reference;
use crate::reported_object::ReportedObject;
use crate::{Build, names_in, suggest};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    FromNamespaces, Gateway, ListenerNamespaces, ListenerSet, NamespacedName,
};
use gatefold_manifest::{Kind, Resources};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// ListenerSets by name.
pub type ListenerSetNodes = BTreeMap<NamespacedName, ListenerSetNode>;

/// A ListenerSet whose Gateway gatefold serves.
#[derive(Debug)]
pub struct ListenerSetNode {
    /// The object.
    pub resource: Arc<ListenerSet>,
    /// Its Gateway.
    pub gateway: NamespacedName,
    /// Whether the Gateway allows it. If not, the Gateway has none of its listeners.
    pub allowed: bool,
    /// The indexes of its listeners among those of the Gateway. Empty if it isn't allowed.
    pub(super) listeners: Range<usize>,
}

/// Builds the ListenerSets of `gateways`, and adds the listeners of the allowed ones to their Gateways.
pub(super) fn build(gateways: &mut GatewayNodes, build: &mut Build<'_>) -> ListenerSetNodes {
    let mut sets: Vec<&Arc<ListenerSet>> = build.resources.listener_sets.values().collect();
    sets.sort_by_cached_key(|set| set.age());
    let mut nodes = ListenerSetNodes::new();
    for set in sets {
        let Some(key) = parent(set, build) else {
            continue;
        };
        let Some(gateway) = gateways.get_mut(&key) else {
            warn_of_unknown_parent(set, &key, build);
            continue;
        };
        let mut node = ListenerSetNode {
            resource: set.clone(),
            gateway: key,
            allowed: allows(&gateway.resource, set, build.resources),
            listeners: 0..0,
        };
        if node.allowed {
            node.listeners = add_listeners(gateway, set, build);
        } else {
            warn_of_not_allowed(&node, &gateway.resource, build);
        }
        nodes.insert(set.key(), node);
    }
    nodes
}

/// Returns the Gateway that a ListenerSet refers to, or `None` if it refers to an object of another kind.
fn gateway_key(set: &ListenerSet) -> Option<NamespacedName> {
    let reference = Reference::from(&set.spec.parent_ref);
    let is_gateway = reference.names(Kind::Gateway);
    is_gateway.then(|| reference.key(set.referrer()))
}

fn parent(set: &ListenerSet, build: &mut Build<'_>) -> Option<NamespacedName> {
    let key = gateway_key(set);
    if key.is_none() {
        let kind = &set.spec.parent_ref.kind;
        let message = format!("a parent of kind {kind} isn't supported; a Gateway is");
        let place = set.place(Pointer::spec().key("parentRef"));
        let found = Diagnostic::new(Code::UnsupportedParent, place, message);
        build.diagnostics.push(found.about(set.id()));
    }
    key
}

fn warn_of_unknown_parent(set: &ListenerSet, key: &NamespacedName, build: &mut Build<'_>) {
    let gateways = &build.resources.gateways;
    // Another controller serves a Gateway that is in the folder but has no node.
    if gateways.contains_key(key) {
        return;
    }
    let place = set.place(Pointer::spec().key("parentRef").key("name"));
    let missing = build.missing(Kind::Gateway, key);
    let (message, help) = missing.or_suggest((Kind::Gateway, key), || {
        suggest(&key.name, names_in(gateways, &key.namespace))
    });
    let mut found = Diagnostic::new(Code::UnknownParent, place, message).about(set.id());
    found.help = help;
    build.diagnostics.push(found);
}

/// Whether a Gateway allows a ListenerSet. By default it allows none (API: `AllowedListeners`).
fn allows(gateway: &Gateway, set: &ListenerSet, resources: &Resources) -> bool {
    let allowed = gateway.spec.allowed_listeners.as_ref();
    let Some(ListenerNamespaces { from, selector }) =
        allowed.and_then(|allowed| allowed.namespaces.as_ref())
    else {
        return false;
    };
    let namespace = &set.meta.namespace;
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => *namespace == gateway.meta.namespace,
        FromNamespaces::None => false,
        FromNamespaces::Selector => selector
            .as_ref()
            .is_some_and(|selector| selector.matches(&resources.namespace_labels(namespace))),
    }
}

fn warn_of_not_allowed(node: &ListenerSetNode, gateway: &Gateway, build: &mut Build<'_>) {
    let set = &node.resource;
    let message = format!(
        "Gateway {} allows no ListenerSet of namespace `{}` (`allowedListeners`)",
        node.gateway, set.meta.namespace
    );
    let place = set.place(Pointer::spec().key("parentRef"));
    let field = if gateway.spec.allowed_listeners.is_some() {
        Pointer::spec().key("allowedListeners")
    } else {
        crate::name_pointer()
    };
    let found = Diagnostic::new(Code::ListenerSetNotAllowed, place, message)
        .about(set.id())
        .label(gateway.place(field), "the Gateway")
        .help("add `allowedListeners: {namespaces: {from: Same}}` to the Gateway's `spec`, or `from: All`");
    let allowed = gateway.spec.allowed_listeners.as_ref();
    let namespaces = allowed.and_then(|allowed| allowed.namespaces.as_ref());
    let namespaces = namespaces.filter(|it| it.from == FromNamespaces::Selector);
    let found = match namespaces.and_then(|it| it.selector.as_ref()) {
        Some(selector) => build.note_unknown_labels(found, selector, &set.meta.namespace),
        None => found,
    };
    build.diagnostics.push(found);
}

/// Adds the listeners of a ListenerSet to its Gateway. Returns their indexes there.
fn add_listeners(
    gateway: &mut GatewayNode,
    set: &Arc<ListenerSet>,
    build: &mut Build<'_>,
) -> Range<usize> {
    let first = gateway.listeners.len();
    let key = gateway.resource.key();
    let owner = ListenerOwner::ListenerSet(set.clone());
    for index in 0..set.spec.listeners.len() {
        let context = ListenerContext {
            key: &key,
            addresses: &gateway.addresses,
            frontend: &gateway.frontend,
        };
        let added = listener::build(&owner, index, context, build);
        gateway.listeners.extend(added);
    }
    first..gateway.listeners.len()
}
