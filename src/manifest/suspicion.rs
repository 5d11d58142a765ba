//! What was probably meant by a kind that isn't known.

use super::api::GATEWAY_GROUP;
use super::did_you_mean::did_you_mean;
use super::kind::Kind;
use super::policy;

/// Kinds of the Gateway API that exist and aren't read: no slip, however near to one that is.
const OTHER_GATEWAY_KINDS: [&str; 9] = [
    "GRPCRoute",
    "TCPRoute",
    "TLSRoute",
    "UDPRoute",
    "XBackend",
    "XBackendTrafficPolicy",
    "XListenerSet",
    "XMesh",
    "XTelemetryPolicy",
];

/// What was probably meant by a kind that isn't known.
pub(super) fn suspicion(group: &str, kind: &str) -> Option<String> {
    if let Some(help) = policy::suspicion(group, kind) {
        return Some(help);
    }
    let ours = |known: &Kind| known.group() == group;
    if Kind::ALL.iter().any(ours) {
        if group == GATEWAY_GROUP && OTHER_GATEWAY_KINDS.contains(&kind) {
            return None;
        }
        let known: Vec<&str> = Kind::ALL
            .iter()
            .filter(|known| ours(known))
            .map(|known| known.name())
            .collect();
        if let Some(help) = did_you_mean(kind, &known) {
            return Some(help);
        }
    }
    // The right kind in no group, or in one that differs by a slip. Others have kinds of the same name.
    let same = Kind::ALL.iter().find(|known| known.name() == kind)?;
    let near = group.is_empty() || did_you_mean(group, &[same.group()]).is_some();
    near.then(|| format!("{kind} is `apiVersion: {}`", same.api_version()))
}
