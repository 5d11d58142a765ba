//! Builds the nodes of routes of any kind.

use super::kind::BuildRoute;
use super::node::{Attachment, ParentNode, RouteNode, RouteNodes};
use super::object::RouteObject;
use super::parent::{Parent, Parents, attachment, parent_references};
use super::policy_targets;
use super::rule::RuleProblems;
use crate::Build;
use crate::backend::BackendReferences;
use crate::backend::endpoints::{ServicePortKey, ServicePorts};
use crate::condition::{Condition, ConditionType, Problem, Reason, is_true};
use crate::gateway::{self, GatewayNodes, ListenerSetNodes};
use crate::listener::ListenerId;
use crate::policy::security_policy::SecurityNode;
use crate::reuse::Before;
use gatefold_diagnostic::{Diagnostic, Pointer};
use gatefold_manifest::Spec;
use gatefold_manifest::api::{Object, ParentReference, PolicyTargetKind};
use hashbrown::HashMap;
use std::sync::Arc;

/// Builds routes, and counts the attached routes of the Gateways' listeners.
pub(crate) struct RouteBuilder<'b, 'g, 'a> {
    /// The Gateways that gatefold serves.
    pub gateways: &'b mut GatewayNodes,
    /// Their ListenerSets.
    pub listener_sets: &'b ListenerSetNodes,
    /// The look-up of the ports of Services.
    pub ports: &'b mut ServicePorts<'a>,
    /// The previous graph.
    pub before: Before<'g>,
    pub build: &'b mut Build<'a>,
}

impl<'g, 'a> RouteBuilder<'_, 'g, 'a> {
    /// Builds every route of a kind. A node that would be the same as in the previous graph is reused.
    pub fn build<K: BuildRoute>(&mut self, previous: &'g RouteNodes<K>) -> Arc<RouteNodes<K>> {
        let mut previous = self.before.routes(previous);
        let objects = K::Spec::objects(self.build.resources);
        let mut attached = AttachedRoutes::default();
        let nodes = objects.iter().map(|(key, object)| {
            let protections = &self.build.protections;
            let node = match previous.find(key, object, protections, self.ports) {
                Some(same) => same,
                None => Arc::new(self.node(object)),
            };
            let findings = node.findings.iter().cloned();
            self.build.diagnostics.extend(findings);
            attached.count(&node.accepted_by);
            (key.clone(), node)
        });
        // The keys are ordered, so collecting is faster than inserting one by one.
        let nodes = Arc::new(nodes.collect());
        attached.add_to(self.gateways);
        nodes
    }

    fn node<K: BuildRoute>(&mut self, object: &'a Arc<Object<K::Spec>>) -> RouteNode<K> {
        let parents = Parents {
            gateways: self.gateways,
            listener_sets: self.listener_sets,
        };
        node(object, parents, self.ports, self.build)
    }
}

fn node<'a, K: BuildRoute>(
    object: &'a Arc<Object<K::Spec>>,
    parents: Parents<'_>,
    ports: &mut ServicePorts<'a>,
    build: &mut Build<'a>,
) -> RouteNode<K> {
    let findings_before = build.diagnostics.len();
    let route = K::common(object);
    let mut references = BackendReferences::new(ports, K::BACKEND_VERSION);
    // Another controller serves a foreign route, so its rules don't matter.
    let is_foreign = parent_references::check(route, parents, build);
    let (rules, problems) = if is_foreign {
        (Vec::new(), RuleProblems::default())
    } else {
        K::build_rules(object, &mut references, build)
    };
    let BackendReferences {
        mut resolved,
        unresolved,
        findings,
        ..
    } = references;
    build.diagnostics.extend(findings);
    let mut nodes = Vec::new();
    for (index, reference) in route.parent_refs.iter().enumerate() {
        if let Some(found) = parents.find(reference, route.namespace()) {
            let mut security = SecurityOfRoute {
                ports,
                resolved: &mut resolved,
            };
            let conditions = (&problems, &*unresolved);
            let at = (index, reference);
            nodes.push(parent(route, at, &found, conditions, &mut security, build));
        }
    }
    RouteNode {
        match_digests: K::match_digests(&object.spec).into(),
        resource: object.clone(),
        accepted_by: accepted_by(&nodes),
        parents: nodes.into(),
        rules: rules.into(),
        service_ports: resolved.into(),
        findings: build.diagnostics.split_off(findings_before).into(),
    }
}

fn parent<'a>(
    route: RouteObject<'_>,
    (index, reference): (usize, &ParentReference),
    parent: &Parent<'_>,
    (problems, unresolved): (&RuleProblems, &[Problem]),
    security: &mut SecurityOfRoute<'_, 'a>,
    build: &mut Build<'a>,
) -> ParentNode {
    let mut attached = attachment::attach(route, reference, parent, build.resources);
    for attachment in attached.iter_mut().flatten() {
        attachment.security = security.at(route, attachment, parent, build);
    }
    let mut conditions = match &attached {
        Ok(attachments) => match refused_by_listeners(route, attachments, parent) {
            Some(refused) => vec![refused],
            None => problems.accepted(),
        },
        Err(rejection) => {
            let finding = rejected(route, (index, reference), parent, *rejection, build);
            let (reason, message) = (rejection.reason(), finding.message.clone());
            build.diagnostics.push(finding);
            vec![Condition::fails(ConditionType::Accepted, reason, message)]
        }
    };
    conditions.push(Condition::resolved_refs(unresolved));
    ParentNode {
        reference: reference.clone(),
        index,
        gateway: parent.gateway_key.clone(),
        controller_name: parent.gateway.controller_name.clone(),
        attachments: attached.unwrap_or_default().into(),
        conditions: conditions.into(),
    }
}

fn rejected(
    route: RouteObject<'_>,
    (index, reference): (usize, &ParentReference),
    parent: &Parent<'_>,
    rejection: attachment::Rejection,
    build: &Build<'_>,
) -> Diagnostic {
    let pointer = Pointer::spec().key("parentRefs").index(index);
    let message = rejection.message(reference, parent);
    let label = match parent.listener_set {
        Some(_) => "the ListenerSet's listeners",
        None => "the Gateway's listeners",
    };
    let finding = route
        .finding(rejection.code(), pointer, message)
        .label(parent.place(), label)
        .help(rejection.help(route, parent));
    let is_not_allowed = rejection == attachment::Rejection::NotAllowedByListeners;
    let selector = attachment::unmet_selector(route, reference, parent);
    match selector.filter(|_| is_not_allowed) {
        Some(selector) => build.note_unknown_labels(finding, selector, route.namespace()),
        None => finding,
    }
}

/// What SecurityPolicies demand of a route at its listeners.
struct SecurityOfRoute<'s, 'a> {
    ports: &'s mut ServicePorts<'a>,
    /// The ports of Services that the route depends on.
    resolved: &'s mut Vec<ServicePortKey>,
}

impl<'a> SecurityOfRoute<'_, 'a> {
    /// Returns what they demand for each rule at a listener.
    fn at(
        &mut self,
        route: RouteObject<'_>,
        attachment: &Attachment,
        parent: &Parent<'_>,
        build: &Build<'a>,
    ) -> Box<[Option<SecurityNode>]> {
        if build.security.is_empty() {
            return Box::default();
        }
        let Some(listener) = parent.gateway.listeners.get(attachment.listener.index) else {
            return Box::default();
        };
        let (kind, key) = (route.kind, route.key());
        let PolicyTargetKind::Route(own) = kind else {
            return Box::default();
        };
        let rules = policy_targets(own, build.resources).sections(&key);
        let at = (&parent.gateway_key, listener);
        let (nodes, services) =
            (build.security).of_route((kind, &key), &rules, at, (build, self.ports));
        for service in services {
            if !self.resolved.contains(&service) {
                self.resolved.push(service);
            }
        }
        nodes
    }
}

/// Returns the condition that the route isn't accepted, if every listener that it is attached to refuses all requests.
fn refused_by_listeners(
    route: RouteObject<'_>,
    attachments: &[Attachment],
    parent: &Parent<'_>,
) -> Option<Condition> {
    let listeners = attachments.iter();
    let mut refusals = listeners.map(|attachment| {
        let listener = parent.gateway.listeners.get(attachment.listener.index)?;
        listener.refusal.as_deref().or_else(|| refusal(attachment))
    });
    let first = refusals.next().flatten()?;
    if refusals.any(|refusal| refusal.is_none()) {
        return None;
    }
    let of_listener = attachments.iter().any(|attachment| {
        let listener = parent.gateway.listeners.get(attachment.listener.index);
        listener.is_some_and(|listener| listener.refusal.is_some())
    });
    let what = if of_listener {
        "the listener"
    } else {
        "every rule"
    };
    let message = format!("{what} answers {}: {first}", route.refusal());
    let reason = Reason::UnenforcedPolicy;
    Some(Condition::fails(ConditionType::Accepted, reason, message))
}

/// Returns why SecurityPolicies refuse all rules of a route at a listener. `None` if they don't.
fn refusal(attachment: &Attachment) -> Option<&str> {
    let mut rules = attachment.security.iter().map(|rule| {
        let refusal = rule.as_ref().and_then(SecurityNode::refusal);
        refusal.map(|why| &**why)
    });
    let first = rules.next().flatten()?;
    rules.all(|rule| rule.is_some()).then_some(first)
}

fn accepted_by(parents: &[ParentNode]) -> Box<[ListenerId]> {
    let accepted = |parent: &&ParentNode| is_true(&parent.conditions, ConditionType::Accepted);
    let accepted = parents.iter().filter(accepted);
    let attachments = accepted.flat_map(|parent| &parent.attachments);
    let mut listeners: Vec<ListenerId> = attachments.map(|it| it.listener.clone()).collect();
    listeners.sort_unstable();
    listeners.dedup();
    listeners.into()
}

/// Counts the accepted routes of each listener (API: `ListenerStatus.attachedRoutes`).
#[derive(Default)]
struct AttachedRoutes {
    counts: HashMap<ListenerId, u32>,
    /// The listener that was counted last, and how often since it became the last.
    last: Option<(ListenerId, u32)>,
}

impl AttachedRoutes {
    /// Counts a route that these listeners accept.
    fn count(&mut self, accepted_by: &[ListenerId]) {
        for id in accepted_by {
            match &mut self.last {
                // Most routes are attached to the same listener as the one before.
                Some((last, count)) if last == id => *count += 1,
                last => {
                    if let Some((before, count)) = last.replace((id.clone(), 1)) {
                        *self.counts.entry(before).or_default() += count;
                    }
                }
            }
        }
    }

    /// Adds the counts to the listeners.
    fn add_to(self, gateways: &mut GatewayNodes) {
        for (id, count) in self.counts.into_iter().chain(self.last) {
            if let Some(listener) = gateway::listener_mut(gateways, &id) {
                listener.attached_routes += count;
            }
        }
    }
}
