//! Matches that receive no requests because an older route of the same kind has the same matches for the same hostnames.

use super::kind::{MatchedRoute, RouteKind};
use super::match_id::MatchDigest;
use super::node::{RouteNode, RouteNodes};
use crate::gateway::{self, GatewayNodes};
use crate::listener::ListenerId;
use gatefold_diagnostic::{Code, Diagnostic, Place};
use gatefold_manifest::api::Hostname;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A match and its route.
struct MatchInRoute<'g, K: RouteKind> {
    route: &'g RouteNode<K>,
    one: MatchDigest,
}

/// For each listener, hostname and digest the match that receives the requests.
type Receivers<'g, K> = HashMap<u64, MatchInRoute<'g, K>>;

/// Returns a diagnostic for every match that receives no requests because of an older route. Among equal matches, that of the
/// oldest route takes precedence, then that of the first route by name (API: `HTTPRouteRule.matches`).
pub(super) fn shadowed_matches<K: MatchedRoute>(
    routes: &RouteNodes<K>,
    gateways: &GatewayNodes,
) -> Vec<Diagnostic> {
    let routes = routes.values().map(|route| &**route);
    let mut routes: Vec<&RouteNode<K>> = routes.filter(|it| it.is_attached()).collect();
    routes.sort_by(|one, other| one.resource.by_age(&other.resource));
    let mut receivers = Receivers::new();
    let mut found = Vec::new();
    for route in routes {
        for one in &route.match_digests {
            let one = MatchInRoute { route, one: *one };
            let other = shadow(&one, gateways, &mut receivers);
            found.extend(other.map(|other| report(&one, &other)));
        }
    }
    found
}

/// Returns the match of another route that receives the requests, if that is the case for every listener and hostname.
fn shadow<'g, K: MatchedRoute>(
    one: &MatchInRoute<'g, K>,
    gateways: &GatewayNodes,
    receivers: &mut Receivers<'g, K>,
) -> Option<MatchInRoute<'g, K>> {
    let (mut shadow, mut receives_requests) = (None, false);
    for (listener, hostname) in places(one.route, gateways) {
        let mut hasher = DefaultHasher::new();
        (listener, hostname.map(Hostname::as_str), one.one.digest).hash(&mut hasher);
        let receiver = *receivers.entry(hasher.finish()).or_insert(*one);
        let same_route = std::ptr::eq(receiver.route, one.route);
        if same_route && receiver.one == one.one {
            receives_requests = true;
        } else if !same_route && has_same_conditions(&receiver, one) {
            shadow = Some(receiver);
        } else if !same_route {
            receives_requests = true;
        }
    }
    shadow.filter(|_| !receives_requests)
}

/// Returns the listeners that serve the route, each with every hostname that applies there. `None` means any hostname.
fn places<'g, K: RouteKind>(
    route: &'g RouteNode<K>,
    gateways: &GatewayNodes,
) -> impl Iterator<Item = (&'g ListenerId, Option<&'g Hostname>)> {
    let attachments = route.parents.iter().flat_map(|parent| &parent.attachments);
    let served = attachments.filter(|attachment| {
        let listener = gateway::listener(gateways, &attachment.listener);
        listener.is_some_and(|listener| listener.serving)
    });
    served.flat_map(|attachment| {
        let any = attachment.hostnames.is_empty().then_some(None);
        let named = attachment.hostnames.iter().map(Some);
        let hostnames = any.into_iter().chain(named);
        hostnames.map(|hostname| (&attachment.listener, hostname))
    })
}

fn has_same_conditions<K: MatchedRoute>(
    one: &MatchInRoute<'_, K>,
    other: &MatchInRoute<'_, K>,
) -> bool {
    K::is_same_match(
        (&one.route.resource.spec, one.one.id),
        (&other.route.resource.spec, other.one.id),
    )
}

fn report<K: RouteKind>(one: &MatchInRoute<'_, K>, receiver: &MatchInRoute<'_, K>) -> Diagnostic {
    let place = |it: &MatchInRoute<'_, K>| it.route.resource.place(it.one.id.pointer());
    let message = format!(
        "the match receives no requests: {} {} has the same match for the same hostnames",
        K::POLICY_TARGET.as_str(),
        receiver.route.resource.key()
    );
    let label = "this match receives them: its route is older, or first by name";
    unreachable((place(one), message), place(receiver), label)
        .about(one.route.resource.id())
        .help("remove one of the two, or change its conditions")
}

/// Returns the diagnostic that a match receives no requests because the match at `other` receives all of them.
pub(super) fn unreachable(
    (place, message): (Place, String),
    other: Place,
    label: &str,
) -> Diagnostic {
    Diagnostic::new(Code::UnreachableMatch, place, message).label(other, label)
}

impl<K: RouteKind> Clone for MatchInRoute<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: RouteKind> Copy for MatchInRoute<'_, K> {}
