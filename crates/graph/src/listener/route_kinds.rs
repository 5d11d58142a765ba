//! The kinds of routes that may attach to a listener (API: `AllowedRoutes.kinds`).

use super::listener_at::ListenerAt;
use super::protocol::Protocol;
use crate::condition::{Problem, Reason};
use crate::{Build, suggest};
use gatefold_diagnostic::Code;
use gatefold_manifest::Kind;
use gatefold_manifest::api::RouteGroupKind;

/// Returns the kinds that may attach: those of the protocol or, if the listener lists kinds, the listed ones among them. A
/// listed kind that the protocol doesn't serve is an unresolved reference.
pub(super) fn supported_kinds(
    at: ListenerAt<'_>,
    protocol: Option<Protocol>,
    build: &mut Build<'_>,
) -> (Vec<Kind>, Vec<Problem>) {
    let served = protocol.map_or(&[][..], Protocol::route_kinds);
    let allowed = at.listener.allowed_routes.as_ref();
    let listed = allowed.map_or(&[][..], |allowed| &allowed.kinds);
    if listed.is_empty() {
        return (served.to_vec(), Vec::new());
    }
    let mut kinds = Vec::new();
    let mut problems = Vec::new();
    for (index, RouteGroupKind { group, kind }) in listed.iter().enumerate() {
        let mut found = served.iter().copied();
        let found = found.find(|it| it.group() == group && it.name() == kind);
        if let Some(found) = found {
            if !kinds.contains(&found) {
                kinds.push(found);
            }
            continue;
        }
        let message = format!(
            "a listener with protocol {} can't serve routes of kind `{kind}` (group `{group}`)",
            at.listener.protocol
        );
        let pointer = at.pointer().key("allowedRoutes").key("kinds").index(index);
        let mut finding = at.finding(Code::UnsupportedRouteKind, pointer, message.clone());
        finding.help = suggest(kind, served.iter().map(|it| it.name()));
        build.diagnostics.push(finding);
        problems.push(Problem::new(Reason::InvalidRouteKinds, message));
    }
    (kinds, problems)
}
