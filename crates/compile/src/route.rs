use super::backend::Backends;
use super::matches::{Patterns, matcher, path};
use gatefold_dataplane::Rule;
use gatefold_dataplane::host_routes::RouteEntry;
use gatefold_dataplane::http_match::HttpMatch;
use gatefold_graph::http_route::HttpRouteNode;
use gatefold_manifest::api::NamespacedName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A listener: its Gateway, and its place among all listeners of that.
pub(super) type ListenerKey = (NamespacedName, usize);

/// A route, compiled.
pub(super) struct CompiledRoute {
    /// What it was made of.
    pub node: Arc<HttpRouteNode>,
    /// The listeners that it is attached to, with each of its hostnames that is in force there. Two parent references may lead to one
    /// listener; that counts once.
    pub places: BTreeSet<(ListenerKey, Option<Arc<str>>)>,
    /// By their place in the manifest.
    pub rules: Vec<Arc<Rule>>,
    /// The matches of all rules.
    pub entries: Vec<RouteEntry>,
}

impl CompiledRoute {
    /// Counters go on where those of the route `before` are.
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
                compiled.entries.push(RouteEntry {
                    matched: HttpMatch {
                        path: path(&one.path),
                        matcher: Arc::new(matcher),
                    },
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
