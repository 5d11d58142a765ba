//! Matches that receive no requests because an older route has the same matches for the same hostnames.

use crate::Graph;
use crate::gateway::ListenerNode;
use crate::route::http_route::HttpRouteNode;
use crate::route::http_route::match_advice::{matches, pointer, unreachable};
use crate::route::http_route::match_conditions::MatchConditions;
use gatefold_diagnostic::Diagnostic;
use gatefold_manifest::api::{HTTPRoute, HTTPRouteMatch, Hostname};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A match of a route, in a form that is cheap to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MatchDigest {
    /// The rule's index in the route.
    pub rule: usize,
    /// The match's index in the rule. `None` if the rule has no matches and thus matches everything.
    pub index: Option<usize>,
    /// Equal for equal conditions.
    pub digest: u64,
}

/// Returns the digests of all matches of a route.
pub(crate) fn match_digests(route: &HTTPRoute) -> Vec<MatchDigest> {
    let everything = HTTPRouteMatch::default();
    let rules = route.spec.rules.iter().enumerate();
    let digests = rules.flat_map(|(rule, it)| {
        matches(it, &everything).map(move |(index, one)| MatchDigest {
            rule,
            index,
            digest: MatchConditions::of(one).digest(),
        })
    });
    digests.collect()
}

/// For each listener, hostname and digest the match that receives the requests.
type Owners<'g> = HashMap<u64, (&'g HttpRouteNode, MatchDigest)>;

impl Graph {
    /// Returns a diagnostic for every match that receives no requests because of an older route. Among equal matches, that
    /// of the oldest route takes precedence, then that of the first route by name (API: `HTTPRouteRule.matches`).
    pub(crate) fn shadowed_matches(&self) -> Vec<Diagnostic> {
        let routes = self.http_routes.values().map(|route| &**route);
        let mut routes: Vec<&HttpRouteNode> = routes.filter(|it| it.is_attached()).collect();
        routes.sort_by(|one, other| one.resource.by_age(&other.resource));
        let mut owners = Owners::new();
        let mut found = Vec::new();
        for route in routes {
            for one in &route.match_digests {
                if let Some((owner, other)) = self.shadow(route, *one, &mut owners) {
                    found.push(shadowed((route, *one), (owner, other)));
                }
            }
        }
        found
    }

    /// Returns the match of another route that receives the requests, if that is the case for every listener and hostname.
    fn shadow<'g>(
        &'g self,
        route: &'g HttpRouteNode,
        one: MatchDigest,
        owners: &mut Owners<'g>,
    ) -> Option<(&'g HttpRouteNode, MatchDigest)> {
        let (mut shadow, mut open) = (None, false);
        for (listener, hostname) in self.places(route) {
            let own = &route.resource.spec.hostnames;
            // If only the listener's hostname applies, the other routes' own hostnames decide.
            if hostname.is_some_and(|hostname| !own.is_empty() && !own.contains(hostname)) {
                open = true;
                continue;
            }
            let mut hasher = DefaultHasher::new();
            (std::ptr::from_ref(listener) as usize).hash(&mut hasher);
            (hostname.map(Hostname::as_str), own.is_empty(), one.digest).hash(&mut hasher);
            let owner = owners.entry(hasher.finish()).or_insert((route, one));
            let same_route = std::ptr::eq(owner.0, route);
            if same_route && owner.1 == one {
                open = true;
            } else if !same_route && same_conditions(*owner, (route, one)) {
                shadow = Some(*owner);
            } else if !same_route {
                open = true;
            }
        }
        shadow.filter(|_| !open)
    }

    /// Returns the listeners that serve the route, each with every hostname that applies there. `None` means any hostname.
    fn places<'g>(
        &'g self,
        route: &'g HttpRouteNode,
    ) -> impl Iterator<Item = (&'g ListenerNode, Option<&'g Hostname>)> {
        route.parents.iter().flat_map(move |parent| {
            let gateway = self.gateways.get(&parent.gateway);
            let attachments = parent.attachments.iter().filter_map(move |attachment| {
                let listener = gateway?.listeners.get(attachment.listener)?;
                listener.serving.then_some((listener, attachment))
            });
            attachments.flat_map(|(listener, attachment)| {
                let any = attachment.hostnames.is_empty().then_some(None);
                let named = attachment.hostnames.iter().map(Some);
                any.into_iter()
                    .chain(named)
                    .map(move |hostname| (listener, hostname))
            })
        })
    }
}

fn same_conditions(
    (one, one_match): (&HttpRouteNode, MatchDigest),
    (other, other_match): (&HttpRouteNode, MatchDigest),
) -> bool {
    let everything = HTTPRouteMatch::default();
    let conditions = |route: &HttpRouteNode, it: MatchDigest| -> Option<HTTPRouteMatch> {
        let rule = route.resource.spec.rules.get(it.rule)?;
        match it.index {
            Some(index) => rule.matches.get(index).cloned(),
            None => Some(everything.clone()),
        }
    };
    match (conditions(one, one_match), conditions(other, other_match)) {
        (Some(one), Some(other)) => MatchConditions::of(&one) == MatchConditions::of(&other),
        _ => false,
    }
}

fn shadowed(
    (route, one): (&HttpRouteNode, MatchDigest),
    (owner, other): (&HttpRouteNode, MatchDigest),
) -> Diagnostic {
    let place =
        |route: &HttpRouteNode, it: MatchDigest| route.resource.place(pointer(it.rule, it.index));
    let message = format!(
        "the match receives no requests: HTTPRoute {} has the same match for the same hostnames",
        owner.resource.key()
    );
    unreachable(
        (place(route, one), message),
        place(owner, other),
        "this match receives them: its route is older, or first by name",
    )
    .about(route.resource.id())
    .help("remove one of the two, or change its conditions")
}
