//! Guesses which kind was meant by an unknown one.

use crate::api::{ENVOY_GATEWAY_GROUP, GATEWAY_GROUP};
use crate::kind::Kind;
use crate::unread_policy;
use gatefold_diagnostic::did_you_mean;

/// Kinds of the Gateway API that gatefold may not read. They are no typing errors, however similar to another kind they are.
const MORE_GATEWAY_KINDS: [&str; 10] = [
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

/// Whether this is a kind of the Gateway API that gatefold doesn't read.
pub(crate) fn is_other_gateway_kind(group: &str, kind: &str) -> bool {
    group == GATEWAY_GROUP
        && MORE_GATEWAY_KINDS.contains(&kind)
        && Kind::find(group, kind).is_none()
}

/// A help text with the kind that was probably meant. `None` if the kind isn't similar to a known one.
pub(crate) fn suggest_kind(group: &str, kind: &str) -> Option<String> {
    if is_other_gateway_kind(group, kind) {
        return None;
    }
    if let Some(meant) = unread_policy::meant(group, kind) {
        return Some(format!("did you mean `{meant}`?"));
    }
    // Of Envoy Gateway's kinds only some are read, so a similar kind isn't a typing error.
    let ours = |known: &Kind| known.group() == group && group != ENVOY_GATEWAY_GROUP;
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
    // The right kind without a group, or with a misspelled one. Other groups may have kinds with the same name.
    let same = Kind::ALL.iter().find(|known| known.name() == kind)?;
    let near = group.is_empty() || did_you_mean(group, &[same.group()]).is_some();
    near.then(|| format!("{kind} is `apiVersion: {}`", same.api_version()))
}
