//! Compiled routes: where they are served, their rules, and the matches of the rules.

use super::compile_match::{CompileMatch, Patterns};
use crate::backend::Backends;
use gatefold_dataplane::routing::host_routes::RouteEntry;
use gatefold_dataplane::routing::rank::RouteAge;
use gatefold_dataplane::{Rule, RuleId};
use gatefold_graph::listener::ListenerId;
use gatefold_graph::policy::security_policy::SecurityNode;
use gatefold_graph::route::{AnyRoute, RouteKind, RouteNode, RuleNode};
use gatefold_manifest::Spec;
use gatefold_manifest::api::ObjectMeta;
use std::sync::Arc;

/// A listener, and a hostname of a route that applies there. `None` if any hostname does.
pub(super) type Place = (ListenerId, Option<Arc<str>>);

/// A compiled route. `M` is the kind's type of compiled matches.
pub(super) struct CompiledRoute<M> {
    /// Its variants. Almost every route has one; a route has several if SecurityPolicies differ between its listeners. A route
    /// that is attached to no listener has none.
    pub variants: Box<[RouteVariant<M>]>,
}

/// A route as it is served at some of its listeners.
pub(super) struct RouteVariant<M> {
    /// The listeners, with each hostname that applies there. Two parent references may resolve to one listener, which counts
    /// once.
    pub places: Box<[Place]>,
    /// The matches of all rules.
    pub entries: Box<[Arc<RouteEntry<M>>]>,
    /// The rules, in the order of the manifest.
    rules: Box<[Arc<Rule>]>,
}

/// What SecurityPolicies demand for each rule of a route. Empty if they demand nothing.
type SecurityOfRules = [Option<SecurityNode>];

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
    let before = before.map_or(&[][..], |route| &route.variants);
    let variants = variants(node).into_iter().enumerate();
    let variants = variants.map(|(index, (security, places))| {
        let before = before.get(index).or_else(|| before.first());
        let (mut rules, mut entries) = (Vec::new(), Vec::new());
        let name: Arc<str> = node.resource.key().to_string().into();
        for (index, rule_node) in node.rules.iter().enumerate() {
            let before = before.and_then(|variant| variant.rules.get(index));
            let id = RuleId {
                kind: K::Spec::KIND.name(),
                route: name.clone(),
                index,
            };
            let security = security.get(index).and_then(Option::as_ref);
            let rule = backends.rule(id, (rule_node, security), before.map(|it| &**it));
            let rule = Arc::new(rule);
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
        RouteVariant {
            places,
            entries: entries.into(),
            rules: rules.into(),
        }
    });
    CompiledRoute {
        variants: variants.collect(),
    }
}

fn age(meta: &ObjectMeta) -> RouteAge {
    let created = meta.creation_timestamp.map(|it| it.0);
    created.map_or_else(RouteAge::default, |it| {
        RouteAge::created(it.unix_timestamp(), it.nanosecond())
    })
}

/// Groups the places of a route by what SecurityPolicies demand there, in the order of its attachments.
fn variants(route: &dyn AnyRoute) -> Vec<(&SecurityOfRules, Box<[Place]>)> {
    let mut found: Vec<(&SecurityOfRules, Vec<Place>)> = Vec::new();
    let parents = route.parents().iter();
    for attachment in parents.flat_map(|parent| &parent.attachments) {
        let security = &*attachment.security;
        let known = found.iter().position(|(known, _)| *known == security);
        let index = known.unwrap_or_else(|| {
            found.push((security, Vec::new()));
            found.len() - 1
        });
        let Some((_, places)) = found.get_mut(index) else {
            continue;
        };
        if attachment.hostnames.is_empty() {
            places.push((attachment.listener.clone(), None));
        }
        for hostname in &attachment.hostnames {
            let hostname = Some(hostname.as_str().into());
            places.push((attachment.listener.clone(), hostname));
        }
    }
    let found = found.into_iter().map(|(security, mut places)| {
        places.sort_unstable();
        places.dedup();
        (security, places.into())
    });
    found.collect()
}
