//! Compiled routes: where they are served, their rules, and the matches that lead to the rules.

use super::backend::Backends;
use super::matches::{Patterns, matcher, path};
use gatefold_dataplane::Rule;
use gatefold_dataplane::host_routes::Entry;
use gatefold_graph::route::http_route::HttpRouteNode;
use gatefold_manifest::api::NamespacedName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A listener: its Gateway, and its index among all listeners of that Gateway.
pub(super) type ListenerKey = (NamespacedName, usize);

/// A compiled route.
pub(super) struct CompiledRoute {
    /// The node that it was compiled from.
    pub node: Arc<HttpRouteNode>,
    /// The listeners that it is attached to, with each hostname that applies there. Two parent references may resolve to one
    /// listener, which counts once.
    pub places: BTreeSet<(ListenerKey, Option<Arc<str>>)>,
    /// The rules, in the order of the manifest.
    pub rules: Vec<Arc<Rule>>,
    /// The matches of all rules.
    pub entries: Vec<Entry>,
}

impl CompiledRoute {
    /// Compiles a route. Its counters continue those of `before`.
    pub(super) fn new(
        node: &Arc<HttpRouteNode>,
        before: Option<&CompiledRoute>,
        backends: &mut Backends,
        patterns: &mut Patterns,
    ) -> Self {
        let mut compiled = CompiledRoute {
            node: node.clone(),
            places: places(node),
            rules: Vec::new(),
            entries: Vec::new(),
        };
        if compiled.places.is_empty() {
            return compiled;
        }
        let name: Arc<str> = node.resource.key().to_string().into();
        for (index, rule_node) in node.rules.iter().enumerate() {
            let before = before.and_then(|route| route.rules.get(index));
            let rule = Arc::new(backends.rule((&name, index), rule_node, before.map(|it| &**it)));
            for (index, one) in (0..).zip(&rule_node.matches) {
                let Some(matcher) = matcher(one, patterns) else {
                    continue;
                };
                compiled.entries.push(Entry {
                    path: path(&one.path),
                    matcher: Arc::new(matcher),
                    rule: rule.clone(),
                    index,
                });
            }
            compiled.rules.push(rule);
        }
        compiled
    }
}

fn places(node: &HttpRouteNode) -> BTreeSet<(ListenerKey, Option<Arc<str>>)> {
    let mut found = BTreeSet::new();
    for parent in &node.parents {
        for attachment in &parent.attachments {
            let key = || (parent.gateway.clone(), attachment.listener);
            if attachment.hostnames.is_empty() {
                found.insert((key(), None));
            }
            for hostname in &attachment.hostnames {
                found.insert((key(), Some(hostname.as_str().into())));
            }
        }
    }
    found
}
