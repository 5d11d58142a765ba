//! Authorization servers as backends: nothing may stand in for them.

use crate::Build;
use crate::route::TargetNode;

/// Returns why a target can't be an authorization server: an echo backend in its place would allow everything. `None` if it can.
pub(crate) fn refusal(target: &TargetNode, name: &str, build: &Build<'_>) -> Option<String> {
    let TargetNode::Service { service, .. } = target else {
        return None;
    };
    let is_echo = build.environment.stand_ins.echo.contains(service);
    is_echo
        .then(|| format!("the echo backend doesn't stand in for {name}, an authorization server"))
}
