use super::backend::{Backends, Served};
use super::backend_tls::BackendTlsCache;
use super::matches::{Patterns, matcher, path};
use crate::dataplane::Rule;
use crate::dataplane::matcher::{Matcher, PathMatch};
use crate::dataplane::router::Entry;
use crate::graph::Graph;
use crate::graph::http_route::HttpRouteNode;
use crate::manifest::api::NamespacedName;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A listener: its Gateway, and its place among all listeners of that.
pub(super) type ListenerKey<'g> = (&'g NamespacedName, usize);

/// What each listener's router is made of.
pub(super) fn entries<'g>(
    graph: &'g Graph,
    served: &Served,
    tls: BackendTlsCache,
) -> HashMap<ListenerKey<'g>, Vec<Entry>> {
    let mut backends = Backends::new(served, tls);
    let mut patterns = Patterns::default();
    let mut entries: HashMap<ListenerKey<'g>, Vec<Entry>> = HashMap::new();
    for (age, node) in by_age(graph) {
        let listeners = listeners(node);
        if listeners.is_empty() {
            continue;
        }
        let matches = matches(node, &mut backends, &mut patterns);
        for (listener, hostname) in listeners {
            let of_listener = entries.entry(listener).or_default();
            of_listener.extend(matches.iter().map(|one| one.entry(hostname.clone(), age)));
        }
    }
    entries
}

/// The routes with a number that rises from the oldest on (API: `HTTPRouteRule.matches`).
fn by_age(graph: &Graph) -> impl Iterator<Item = (u32, &HttpRouteNode)> {
    let mut routes: Vec<&HttpRouteNode> = graph.http_routes.values().collect();
    routes.sort_by(|one, other| one.resource.by_age(&other.resource));
    (0..).zip(routes)
}

/// The listeners that a route is attached to, with each of its hostnames there. Two parent references may lead
/// to one listener; that counts once.
fn listeners(node: &HttpRouteNode) -> BTreeSet<(ListenerKey<'_>, Option<Arc<str>>)> {
    let mut found = BTreeSet::new();
    for parent in &node.parents {
        for attachment in &parent.attachments {
            let key = (&parent.gateway, attachment.listener);
            if attachment.hostnames.is_empty() {
                found.insert((key, None));
            }
            for hostname in &attachment.hostnames {
                found.insert((key, Some(hostname.as_str().into())));
            }
        }
    }
    found
}

/// One match of a route, before it is known for which hostname.
struct Match {
    path: PathMatch,
    matcher: Arc<Matcher>,
    rule: Arc<Rule>,
    /// Its place among the matches of its rule.
    index: u32,
}

impl Match {
    fn entry(&self, hostname: Option<Arc<str>>, age: u32) -> Entry {
        Entry {
            hostname,
            path: self.path.clone(),
            matcher: self.matcher.clone(),
            order: (age, self.rule.index as u32, self.index),
            rule: self.rule.clone(),
        }
    }
}

fn matches(
    node: &HttpRouteNode,
    backends: &mut Backends<'_>,
    patterns: &mut Patterns,
) -> Vec<Match> {
    let route: Arc<str> = node.resource.key().to_string().into();
    let mut matches = Vec::new();
    for (i, rule_node) in node.rules.iter().enumerate() {
        let rule = Arc::new(backends.rule(&route, i, rule_node));
        for (index, one) in (0..).zip(&rule_node.matches) {
            let Some(matcher) = matcher(one, patterns) else {
                continue;
            };
            matches.push(Match {
                path: path(&one.path),
                matcher: Arc::new(matcher),
                rule: rule.clone(),
                index,
            });
        }
    }
    matches
}
