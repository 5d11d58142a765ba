//! Compiled routes: where they are served, their rules, and the matches of the rules.

use super::compile_match::{CompileMatch, Patterns};
use crate::backend::Backends;
use gatefold_dataplane::routing::host_routes::RouteEntry;
use gatefold_dataplane::routing::rank::RouteAge;
use gatefold_dataplane::{Rule, RuleId};
use gatefold_graph::listener::ListenerId;
use gatefold_graph::route::{AnyRoute, RouteKind, RouteNode, RuleNode};
use gatefold_manifest::Spec;
use gatefold_manifest::api::ObjectMeta;
use std::sync::Arc;

/// A listener, and a hostname of a route that applies there. `None` if any hostname does.
pub(super) type Place = (ListenerId, Option<Arc<str>>);

/// A compiled route. `M` is the kind's type of compiled matches.
pub(super) struct CompiledRoute<M> {
    /// The listeners that it is attached to, with each hostname that applies there. Two parent references may resolve to one
    /// listener, which counts once.
    pub places: Box<[Place]>,
    /// The matches of all rules.
    pub entries: Box<[Arc<RouteEntry<M>>]>,
    /// The rules, in the order of the manifest.
    rules: Box<[Arc<Rule>]>,
}

/// Compiles a route. Its counters continue those of `before`.
pub(super) fn compile<K, S>(
    node: &RouteNode<K>,
    before: Option<&CompiledRoute<S::Compiled>>,
    backends: &mut Backends,
    patterns: &mut Patterns,
) -> CompiledRoute<S::Compiled>
where
    K: RouteKind<Rule = RuleNode<S>>,
    S: CompileMatch,
{
    let places = places(node);
    let (mut rules, mut entries) = (Vec::new(), Vec::new());
    // A route without a place is not served, so its rules aren't compiled.
    let served = node.rules.iter().filter(|_| !places.is_empty());
    let name: Arc<str> = node.resource.key().to_string().into();
    for (index, rule_node) in served.enumerate() {
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
            entries.push(Arc::new(RouteEntry {
                matched,
                rule: rule.clone(),
                index,
                age: age(&node.resource.meta),
            }));
        }
        rules.push(rule);
    }
    CompiledRoute {
        places,
        entries: entries.into(),
        rules: rules.into(),
    }
}

fn age(meta: &ObjectMeta) -> RouteAge {
    let created = meta.creation_timestamp.map(|it| it.0);
    created.map_or_else(RouteAge::default, |it| {
        RouteAge::created(it.unix_timestamp(), it.nanosecond())
    })
}

fn places(route: &dyn AnyRoute) -> Box<[Place]> {
    let mut found: Vec<Place> = Vec::new();
    let parents = route.parents().iter();
    for attachment in parents.flat_map(|parent| &parent.attachments) {
        if attachment.hostnames.is_empty() {
            found.push((attachment.listener.clone(), None));
        }
        for hostname in &attachment.hostnames {
            let hostname = Some(hostname.as_str().into());
            found.push((attachment.listener.clone(), hostname));
        }
    }
    found.sort_unstable();
    found.dedup();
    found.into()
}
