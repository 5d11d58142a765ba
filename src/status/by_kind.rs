//! What is reported for each kind: its statuses, how they are written, and its tables.

use super::Statuses;
use super::route::RouteStatuses;
use super::table::{StatusTable, rows};
use gatefold_graph::Graph;
use gatefold_graph::route::{GrpcRoute, HttpRoute};
use gatefold_manifest::Kind;
use gatefold_manifest::api::NamespacedName;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

/// The statuses of the routes of all kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllRouteStatuses {
    /// HTTPRoutes.
    pub http: RouteStatuses<HttpRoute>,
    /// GRPCRoutes.
    pub grpc: RouteStatuses<GrpcRoute>,
}

impl AllRouteStatuses {
    pub(super) fn report(graph: &Graph, previous: &Self, now: OffsetDateTime) -> Self {
        let ours = &graph.controller_names;
        let routes = &graph.routes;
        AllRouteStatuses {
            http: RouteStatuses::report(&routes.http, &previous.http, ours, now),
            grpc: RouteStatuses::report(&routes.grpc, &previous.grpc, ours, now),
        }
    }
}

/// How the statuses of a kind are reported.
pub(super) struct Reported {
    /// The status of an object as JSON. `None` if the object doesn't belong to gatefold.
    pub(super) json: fn(&Statuses, &NamespacedName) -> Option<Value>,
    /// The tables of `gatefold check`.
    pub(super) tables: &'static [fn(&Graph, &Statuses) -> StatusTable],
}

/// How the statuses of a kind are reported. `None` for a kind without a status.
pub(super) fn reported(kind: Kind) -> Option<Reported> {
    Some(match kind {
        Kind::GatewayClass => Reported {
            json: |statuses, key| to_json(statuses.gateway_classes.get(&*key.name)),
            tables: &[rows::gateway_classes],
        },
        Kind::Gateway => Reported {
            json: |statuses, key| to_json(statuses.gateways.get(key)),
            tables: &[rows::gateways],
        },
        Kind::ListenerSet => Reported {
            json: |statuses, key| to_json(statuses.listener_sets.get(key)),
            tables: &[rows::listener_sets, rows::listeners],
        },
        Kind::HTTPRoute => Reported {
            json: |statuses, key| to_json(statuses.routes.http.get(key).map(|it| &**it)),
            tables: &[|graph, statuses| {
                let (nodes, statuses) = (&graph.routes.http, &statuses.routes.http);
                rows::routes("HTTPRoutes", nodes, statuses, |spec| &spec.hostnames)
            }],
        },
        Kind::GRPCRoute => Reported {
            json: |statuses, key| to_json(statuses.routes.grpc.get(key).map(|it| &**it)),
            tables: &[|graph, statuses| {
                let (nodes, statuses) = (&graph.routes.grpc, &statuses.routes.grpc);
                rows::routes("GRPCRoutes", nodes, statuses, |spec| &spec.hostnames)
            }],
        },
        Kind::BackendTLSPolicy => Reported {
            json: |statuses, key| to_json(statuses.backend_tls_policies.get(key)),
            tables: &[rows::backend_tls_policies],
        },
        Kind::SecurityPolicy => Reported {
            json: |statuses, key| to_json(statuses.security_policies.get(key)),
            tables: &[|graph, statuses| {
                let (nodes, statuses) = (&graph.security_policies, &statuses.security_policies);
                rows::layered_policies("SecurityPolicies", nodes, statuses)
            }],
        },
        Kind::ClientTrafficPolicy => Reported {
            json: |statuses, key| to_json(statuses.client_traffic_policies.get(key)),
            tables: &[|graph, statuses| {
                let nodes = &graph.client_traffic_policies;
                let statuses = &statuses.client_traffic_policies;
                rows::layered_policies("ClientTrafficPolicies", nodes, statuses)
            }],
        },
        Kind::ReferenceGrant
        | Kind::EnvoyProxy
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::Endpoints
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::Namespace
        | Kind::Pod => return None,
    })
}

impl Statuses {
    /// The status of an object as JSON. `None` if gatefold reports none for it.
    pub fn json(&self, kind: Kind, key: &NamespacedName) -> Option<Value> {
        (reported(kind)?.json)(self, key)
    }
}

/// Returns the tables of `gatefold check`: one for each kind with a status, one of all listeners, and one of the routes of
/// kinds that aren't served yet.
pub fn tables(graph: &Graph, statuses: &Statuses) -> Vec<StatusTable> {
    let reported = Kind::ALL.iter().filter_map(|kind| reported(*kind));
    let tables = reported.flat_map(|reported| reported.tables);
    let tables = tables.map(|table| table(graph, statuses));
    tables.chain([rows::unserved_routes(graph)]).collect()
}

fn to_json(status: Option<&impl Serialize>) -> Option<Value> {
    serde_json::to_value(status?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_the_kinds_that_the_table_says() {
        for kind in Kind::ALL.iter().copied() {
            assert_eq!(reported(kind).is_some(), kind.reports_status(), "{kind:?}");
        }
    }
}
