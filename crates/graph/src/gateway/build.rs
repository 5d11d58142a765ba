//! Builds the Gateways that gatefold serves, with their ListenerSets.

use super::gateway_class::controller_of;
use super::listener_set::{self, ListenerSetNodes};
use super::node::{GatewayNode, GatewayNodes};
use crate::certificate::client_certificate;
use crate::certificate::client_validation::{self, Frontend};
use crate::condition::{self, Condition, ConditionType, Reason};
use crate::listener::{self, ListenerContext, ListenerNode, ListenerOwner};
use crate::parameters::{self, UnusableParameters};
use crate::policy::client_traffic_policy::SharedSockets;
use crate::{Build, address};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{Gateway, GatewayDefaultScope};
use std::sync::Arc;

/// Builds the Gateways that gatefold serves, and their ListenerSets.
pub(crate) fn build(build: &mut Build<'_>) -> (GatewayNodes, ListenerSetNodes) {
    let resources = build.resources;
    let mut nodes = GatewayNodes::new();
    for (key, gateway) in resources.gateways.iter() {
        if let Some(controller_name) = controller_of(gateway, build) {
            nodes.insert(key.clone(), node(gateway, controller_name, build));
        }
    }
    let listener_sets = listener_set::build(&mut nodes, build);
    listener::conflict::resolve(&mut nodes, build);
    settle_sockets(&nodes, build);
    for (key, node) in &mut nodes {
        node.close_protected(key, &build.protections);
        node.find_protected(key, &build.security);
        node.set_client_traffic(key, &build.security.client_traffic);
        node.decide_serving(key, build.environment);
    }
    (nodes, listener_sets)
}

/// Settles how the sockets of the listeners are treated, and closes listeners whose policies aren't in force there.
fn settle_sockets(nodes: &GatewayNodes, build: &mut Build<'_>) {
    let sockets = SharedSockets::settle(nodes, build);
    let protections = Arc::make_mut(&mut build.protections);
    sockets.close(&build.security.client_traffic, protections);
    build.security.client_traffic.sockets = sockets;
}

fn node(gateway: &Arc<Gateway>, controller_name: String, build: &mut Build<'_>) -> GatewayNode {
    let (mut addresses, problem) = address::assign(gateway, build);
    let mut conditions: Vec<Condition> = problem.into_iter().collect();
    let access_logs = parameters::of_gateway(gateway, build).unwrap_or_else(|unusable| {
        conditions.push(report_parameters(gateway, unusable, build));
        None
    });
    let refused = condition::find(&conditions, ConditionType::Accepted).is_some();
    if refused {
        addresses.clear();
    }
    conditions.extend(client_validation::insecure_mode(gateway));
    warn_of_default_scope(gateway, build);
    let frontend = Frontend::resolve(gateway, build);
    let mut unresolved = Vec::new();
    let client_certificate = client_certificate::resolve(gateway, &mut unresolved, build);
    let owner = ListenerOwner::Gateway(gateway.clone());
    let indexes = 0..gateway.spec.listeners.len();
    let key = gateway.key();
    let context = ListenerContext {
        key: &key,
        addresses: &addresses,
        frontend: &frontend,
    };
    let listeners = indexes.filter_map(|index| listener::build(&owner, index, context, build));
    let listeners: Vec<ListenerNode> = listeners.collect();
    GatewayNode {
        resource: gateway.clone(),
        controller_name,
        addresses,
        own_listeners: listeners.len(),
        listeners,
        conditions,
        client_certificate,
        unresolved,
        refused,
        frontend,
        access_logs,
    }
}

/// Reports that the Gateway's parameters can't be used. Such a Gateway isn't accepted (API: `GatewayReasonInvalidParameters`).
fn report_parameters(
    gateway: &Gateway,
    unusable: UnusableParameters,
    build: &mut Build<'_>,
) -> Condition {
    let message = format!("infrastructure.{}", unusable.message);
    let pointer = Pointer::spec().key("infrastructure").key("parametersRef");
    let place = gateway.place(pointer);
    let finding = Diagnostic::new(Code::UnsupportedParameters, place, message.clone())
        .about(gateway.id())
        .help(unusable.help);
    build.diagnostics.push(finding);
    Condition::fails(ConditionType::Accepted, Reason::InvalidParameters, message)
}

/// Warns that the Gateway is no default Gateway. Otherwise it is served as written.
fn warn_of_default_scope(gateway: &Gateway, build: &mut Build<'_>) {
    if gateway.spec.default_scope != Some(GatewayDefaultScope::All) {
        return;
    }
    let place = gateway.place(Pointer::spec().key("defaultScope"));
    let message =
        "default Gateways aren't supported yet; routes must name the Gateway in `parentRefs`";
    let finding = Diagnostic::new(Code::UnsupportedField, place, message);
    build.diagnostics.push(finding.about(gateway.id()));
}
