//! Builds the nodes of routes of any kind.

use super::attachment;
use super::kind::BuildRoute;
use super::node::{Attachment, ParentNode, RouteNode, RouteNodes};
use super::object::RouteObject;
use super::parent::{Parent, Parents};
use super::parent_references;
use super::rule_problems::RuleProblems;
use crate::Build;
use crate::backend::BackendReferences;
use crate::backend::endpoints::ServicePorts;
use crate::condition::{Condition, ConditionType, Problem, Reason, is_true};
use crate::gateway::{self, GatewayNodes, ListenerSetNodes};
use crate::listener::ListenerId;
use crate::reuse::PreviousRoutes;
use gatefold_diagnostic::{Diagnostic, Pointer};
use gatefold_manifest::Spec;
use gatefold_manifest::api::{Object, ParentReference};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Builds every route of a kind, and counts the attached routes of the Gateways' listeners. A node that would be the same as
/// in the previous graph is reused.
pub(crate) fn build<'a, K: BuildRoute>(
    gateways: &mut GatewayNodes,
    listener_sets: &ListenerSetNodes,
    ports: &mut ServicePorts<'a>,
    mut previous: PreviousRoutes<'_, K>,
    build: &mut Build<'a>,
) -> RouteNodes<K> {
    let nodes = K::Spec::objects(build.resources)
        .iter()
        .map(|(key, object)| {
            let parents = Parents {
                gateways,
                listener_sets,
            };
            let node = match previous.find(key, object, &build.protections, ports) {
                Some(same) => same,
                None => Arc::new(node(object, parents, ports, build)),
            };
            build.diagnostics.extend(node.findings.iter().cloned());
            count(&node.accepted_by, gateways);
            (key.clone(), node)
        });
    // The keys are ordered, so collecting is faster than inserting one by one.
    nodes.collect()
}

fn node<'a, K: BuildRoute>(
    object: &'a Arc<Object<K::Spec>>,
    parents: Parents<'_>,
    ports: &mut ServicePorts<'a>,
    build: &mut Build<'a>,
) -> RouteNode<K> {
    let findings_before = build.diagnostics.len();
    let route = K::common(object);
    let mut references = BackendReferences {
        ports,
        resolved: Vec::new(),
        unresolved: Vec::new(),
    };
    // Another controller serves a foreign route, so its rules don't matter.
    let is_foreign = parent_references::check(route, parents, build);
    let (rules, problems) = if is_foreign {
        (Vec::new(), RuleProblems::default())
    } else {
        K::build_rules(object, &mut references, build)
    };
    let BackendReferences {
        resolved,
        unresolved,
        ..
    } = references;
    let mut nodes = Vec::new();
    for (index, reference) in route.parent_refs.iter().enumerate() {
        if let Some(found) = parents.find(reference, route.namespace()) {
            let conditions = (&problems, &*unresolved);
            nodes.push(parent(route, (index, reference), &found, conditions, build));
        }
    }
    RouteNode {
        match_digests: K::match_digests(&object.spec),
        resource: object.clone(),
        accepted_by: accepted_by(&nodes),
        parents: nodes,
        rules,
        service_ports: resolved,
        findings: build.diagnostics.split_off(findings_before),
    }
}

fn parent(
    route: RouteObject<'_>,
    (index, reference): (usize, &ParentReference),
    parent: &Parent<'_>,
    (problems, unresolved): (&RuleProblems, &[Problem]),
    build: &mut Build<'_>,
) -> ParentNode {
    let attached = attachment::attach(route, reference, parent, build.resources);
    let mut conditions = match &attached {
        Ok(attachments) => match refused_by_listeners(attachments, parent) {
            Some(refused) => vec![refused],
            None => problems.accepted(),
        },
        Err(rejection) => {
            let finding = rejected(route, (index, reference), parent, *rejection);
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
        attachments: attached.unwrap_or_default(),
        conditions,
    }
}

fn rejected(
    route: RouteObject<'_>,
    (index, reference): (usize, &ParentReference),
    parent: &Parent<'_>,
    rejection: attachment::Rejection,
) -> Diagnostic {
    let pointer = Pointer::spec().key("parentRefs").index(index);
    let message = rejection.message(reference, parent);
    let label = match parent.listener_set {
        Some(_) => "the ListenerSet's listeners",
        None => "the Gateway's listeners",
    };
    route
        .finding(rejection.code(), pointer, message)
        .label(parent.place(), label)
        .help(rejection.help(route, parent))
}

/// Returns the condition that the route isn't accepted, if every listener that it is attached to answers 500.
fn refused_by_listeners(attachments: &[Attachment], parent: &Parent<'_>) -> Option<Condition> {
    let listeners = attachments.iter();
    let mut refusals = listeners.map(|attachment| {
        let listener = parent.gateway.listeners.get(attachment.listener.index)?;
        listener.refusal.as_deref()
    });
    let first = refusals.next().flatten()?;
    if refusals.any(|refusal| refusal.is_none()) {
        return None;
    }
    let message = format!("the listener answers 500: {first}");
    let reason = Reason::UnenforcedPolicy;
    Some(Condition::fails(ConditionType::Accepted, reason, message))
}

fn accepted_by(parents: &[ParentNode]) -> BTreeSet<ListenerId> {
    let accepted = |parent: &&ParentNode| is_true(&parent.conditions, ConditionType::Accepted);
    let accepted = parents.iter().filter(accepted);
    let attachments = accepted.flat_map(|parent| &parent.attachments);
    attachments.map(|it| it.listener.clone()).collect()
}

/// Counts an accepted route at each of its listeners (API: `ListenerStatus.attachedRoutes`).
fn count(accepted_by: &BTreeSet<ListenerId>, gateways: &mut GatewayNodes) {
    for id in accepted_by {
        if let Some(listener) = gateway::listener_mut(gateways, id) {
            listener.attached_routes += 1;
        }
    }
}
