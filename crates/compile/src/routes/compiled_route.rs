//! Compiled routes: where they are served, their rules, and the matches of the rules.

use super::compile_match::{CompileMatch, Patterns};
use crate::backend::Backends;
use gatefold_dataplane::routing::host_routes::RouteEntry;
use gatefold_dataplane::{Rule, RuleId};
use gatefold_graph::listener::ListenerId;
use gatefold_graph::ordered::Follow;
use gatefold_graph::route::{AnyRoute, RouteKind, RouteNode, RouteNodes, RuleNode};
use gatefold_manifest::Spec;
use gatefold_manifest::api::NamespacedName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The compiled routes of a kind, by name. `M` is the kind's type of compiled matches.
pub(super) type CompiledRoutes<M> = BTreeMap<NamespacedName, Arc<CompiledRoute<M>>>;

/// A compiled route.
pub(super) struct CompiledRoute<M> {
    /// The node that it was compiled from.
    pub node: Arc<dyn AnyRoute>,
    /// The listeners that it is attached to, with each hostname that applies there. Two parent references may resolve to one
    /// listener, which counts once.
    pub places: BTreeSet<(ListenerId, Option<Arc<str>>)>,
    /// The matches of all rules.
    pub entries: Vec<RouteEntry<M>>,
    /// The rules, in the order of the manifest.
    rules: Vec<Arc<Rule>>,
}

/// Compiles the routes of a kind. If `holds`, the routes in `before` whose nodes are still the same are reused.
pub(super) fn compile<K, S>(
    nodes: &RouteNodes<K>,
    (before, holds): (&CompiledRoutes<S::Compiled>, bool),
    backends: &mut Backends,
    patterns: &mut Patterns,
) -> CompiledRoutes<S::Compiled>
where
    K: RouteKind<Rule = RuleNode<S>>,
    S: CompileMatch,
{
    let mut before = Follow::new(before);
    let routes = nodes.iter().map(|(key, node)| {
        let before = before.at(key);
        let same = before.filter(|before| {
            holds && std::ptr::addr_eq(Arc::as_ptr(&before.node), Arc::as_ptr(node))
        });
        let route = same.cloned().unwrap_or_else(|| {
            let before = before.map(|route| &**route);
            Arc::new(route(node, before, backends, patterns))
        });
        (key.clone(), route)
    });
    routes.collect()
}

/// Compiles a route. Its counters continue those of `before`.
fn route<K, S>(
    node: &Arc<RouteNode<K>>,
    before: Option<&CompiledRoute<S::Compiled>>,
    backends: &mut Backends,
    patterns: &mut Patterns,
) -> CompiledRoute<S::Compiled>
where
    K: RouteKind<Rule = RuleNode<S>>,
    S: CompileMatch,
{
    let mut compiled = CompiledRoute {
        node: node.clone(),
        places: places(&**node),
        rules: Vec::new(),
        entries: Vec::new(),
    };
    if compiled.places.is_empty() {
        return compiled;
    }
    let name: Arc<str> = node.resource.key().to_string().into();
    for (index, rule_node) in node.rules.iter().enumerate() {
        let before = before.and_then(|route| route.rules.get(index));
        let id = RuleId {
            kind: K::Spec::KIND.name(),
            route: name.clone(),
            index,
        };
        let rule = Arc::new(backends.rule(id, rule_node, before.map(|it| &**it)));
        for (index, one) in (0..).zip(&rule_node.matches) {
            let Some(matched) = one.compile(patterns) else {
                continue;
            };
            compiled.entries.push(RouteEntry {
                matched,
                rule: rule.clone(),
                index,
            });
        }
        compiled.rules.push(rule);
    }
    compiled
}

fn places(route: &dyn AnyRoute) -> BTreeSet<(ListenerId, Option<Arc<str>>)> {
    let mut found = BTreeSet::new();
    let parents = route.parents().iter();
    for attachment in parents.flat_map(|parent| &parent.attachments) {
        if attachment.hostnames.is_empty() {
            found.insert((attachment.listener.clone(), None));
        }
        for hostname in &attachment.hostnames {
            let hostname = Some(hostname.as_str().into());
            found.insert((attachment.listener.clone(), hostname));
        }
    }
    found
}
