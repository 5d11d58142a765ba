//! What was probably meant by a kind that isn't known.

use super::api::GATEWAY_GROUP;
use super::kind::Kind;
use super::policy;
use gatefold_diagnostic::did_you_mean;

/// Kinds of the Gateway API that exist and aren't read: no slip, however near to one that is.
const OTHER_GATEWAY_KINDS: [&str; 10] = [
    "BackendLBPolicy",
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

/// Whether the Gateway API has this kind, although gatefold doesn't read it.
pub(super) fn is_other_gateway_kind(group: &str, kind: &str) -> bool {
    group == GATEWAY_GROUP && OTHER_GATEWAY_KINDS.contains(&kind)
}

/// What was probably meant by a kind that isn't known.
pub(super) fn suspicion(group: &str, kind: &str) -> Option<String> {
    if is_other_gateway_kind(group, kind) {
        return None;
    }
    if let Some(meant) = policy::meant(group, kind) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let ours = |known: &Kind| known.group() == group;
    if Kind::ALL.iter().any(ours) {
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
