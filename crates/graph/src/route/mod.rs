//! Routes: how they attach to listeners, which of their rules can be served, and the targets of their references.
//!
//! In: the routes of the folder, the Gateways and ListenerSets that gatefold serves, and the ports of Services. Out: a
//! [`RouteNode`] for each route, with its conditions for each parent. A kind of route implements the traits in `kind`, in a
//! module of its own; everything else is generic.

mod build;
mod grpc_route;
mod http_route;
mod kind;
mod match_id;
mod node;
mod object;
mod parent;
mod rule;
mod served_elsewhere;
mod shadowed;
pub(crate) mod unread_route;

pub(crate) use build::RouteBuilder;
pub use grpc_route::GrpcRoute;
pub use http_route::HttpRoute;
pub use kind::RouteKind;
pub use node::{AnyRoute, Attachment, ParentNode, RouteNode, RouteNodes};
pub(crate) use object::answer_of_refused;
pub use rule::{
    AuthServerNode, BackendNode, ExternalAuthNode, FilterNode, MirrorNode, RuleNode, TargetNode,
};
pub(crate) use rule::{literal_value, unsendable};
pub use unread_route::UnservedRoute;

use crate::environment::AddressSharing;
use crate::gateway::GatewayNodes;
use crate::policy::target_objects::TargetObjects;
use gatefold_diagnostic::Diagnostic;
use gatefold_manifest::Resources;
use gatefold_manifest::api::{NamespacedName, RouteTargetKind};
use std::sync::Arc;

/// Returns the routes of a kind in the folder as targets of policies.
pub(crate) fn policy_targets(kind: RouteTargetKind, resources: &Resources) -> &dyn TargetObjects {
    match kind {
        RouteTargetKind::Http => &*resources.http_routes,
        RouteTargetKind::Grpc => &*resources.grpc_routes,
    }
}

/// The routes of all kinds. A route whose parents belong to other controllers has no parents here, and isn't served.
#[derive(Debug, Default)]
pub struct Routes {
    /// HTTPRoutes.
    pub http: Arc<RouteNodes<HttpRoute>>,
    /// GRPCRoutes.
    pub grpc: Arc<RouteNodes<GrpcRoute>>,
}

impl Routes {
    /// Builds the routes of all kinds.
    pub(crate) fn build<'g>(previous: &'g Routes, mut builder: RouteBuilder<'_, 'g, '_>) -> Self {
        Routes {
            http: builder.build(&previous.http),
            grpc: builder.build(&previous.grpc),
        }
    }

    /// Returns the routes of all kinds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn AnyRoute> {
        let Routes { http, grpc } = self;
        let http = http.values().map(|route| -> &dyn AnyRoute { &**route });
        http.chain(grpc.values().map(|route| -> &dyn AnyRoute { &**route }))
    }

    /// Returns a route as a target of policies. `None` if there is no such route.
    pub(crate) fn find(
        &self,
        kind: RouteTargetKind,
        key: &NamespacedName,
    ) -> Option<&dyn AnyRoute> {
        match kind {
            RouteTargetKind::Http => self.http.get(key).map(|it| -> &dyn AnyRoute { &**it }),
            RouteTargetKind::Grpc => self.grpc.get(key).map(|it| -> &dyn AnyRoute { &**it }),
        }
    }

    /// Returns warnings about routes that are served as written, but whose matches or hostnames receive no traffic.
    pub(crate) fn advice(
        &self,
        gateways: &GatewayNodes,
        sharing: AddressSharing,
    ) -> Vec<Diagnostic> {
        let Routes { http, grpc } = self;
        let mut found = shadowed::shadowed_matches(http, gateways);
        found.extend(shadowed::shadowed_matches(grpc, gateways));
        found.extend(served_elsewhere::hostnames_served_elsewhere(
            self.iter(),
            gateways,
            sharing,
        ));
        found
    }
}
