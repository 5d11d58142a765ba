//! Authorization servers as backends: their names for questions, and that nothing may stand in for them.

use crate::Build;
use crate::reference::{Reference, Referrer};
use crate::route::TargetNode;
use gatefold_manifest::api::BackendObjectReference;

/// Returns why a target can't be an authorization server: an echo backend in its place would allow everything. `None` if it can.
pub(crate) fn refusal(target: &TargetNode, name: &str, build: &Build<'_>) -> Option<String> {
    let TargetNode::Service { service, .. } = target else {
        return None;
    };
    let is_echo = build.environment.stand_ins.echo.contains(service);
    is_echo
        .then(|| format!("the echo backend doesn't stand in for {name}, an authorization server"))
}

/// Returns the `:authority` of questions over gRPC, as Envoy Gateway makes it: `auth.namespace:9000`.
pub(crate) fn authority(reference: &BackendObjectReference, referrer: Referrer<'_>) -> String {
    let key = Reference::from(reference).key(referrer);
    let (name, namespace) = (&key.name, &key.namespace);
    match reference.port {
        Some(port) => format!("{name}.{namespace}:{port}"),
        None => format!("{name}.{namespace}"),
    }
}
