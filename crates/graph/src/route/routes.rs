//! The routes of all kinds.

use super::http_route::HttpRoute;
use super::node::{AnyRoute, RouteNodes};
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind};
use std::sync::Arc;

/// The routes of all kinds. A route whose parents belong to other controllers has no parents here, and isn't served.
#[derive(Debug, Default)]
pub struct Routes {
    /// HTTPRoutes.
    pub http: Arc<RouteNodes<HttpRoute>>,
}

impl Routes {
    /// Returns the routes of all kinds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn AnyRoute> {
        let Routes { http } = self;
        http.values().map(|route| -> &dyn AnyRoute { &**route })
    }

    /// Returns a route as a target of policies. `None` if no kind of route is targeted by `kind`.
    pub(crate) fn find(
        &self,
        kind: PolicyTargetKind,
        key: &NamespacedName,
    ) -> Option<&dyn AnyRoute> {
        match kind {
            PolicyTargetKind::HttpRoute => self.http.get(key).map(|it| -> &dyn AnyRoute { &**it }),
            PolicyTargetKind::Gateway
            | PolicyTargetKind::ListenerSet
            | PolicyTargetKind::Service => None,
        }
    }
}
