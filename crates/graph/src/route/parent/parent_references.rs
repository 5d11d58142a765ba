//! Checks the parent references of a route.

use super::{ParentKind, Parents, parent_key};
use crate::route::object::RouteObject;
use crate::{Build, suggest};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::Resources;
use gatefold_manifest::api::{NamespacedName, UseDefaultGateways};

/// Reports problems with the parent references. Returns true if every parent belongs to another controller.
pub(in crate::route) fn check(
    route: RouteObject<'_>,
    parents: Parents<'_>,
    build: &mut Build<'_>,
) -> bool {
    build.diagnostics.extend(no_parent(route));
    let mut is_foreign = !route.parent_refs.is_empty();
    for (index, reference) in route.parent_refs.iter().enumerate() {
        let pointer = Pointer::spec().key("parentRefs").index(index);
        let Some((kind, key)) = parent_key(reference, route.namespace()) else {
            let message = format!(
                "a parent of kind {} isn't supported; a Gateway or a ListenerSet is",
                reference.kind
            );
            let finding = route.finding(Code::UnsupportedParent, pointer, message);
            build.diagnostics.push(finding);
            continue;
        };
        if parents.find(reference, route.namespace()).is_some() {
            is_foreign = false;
        } else if !kind.is_in_folder(&key, build.resources) {
            is_foreign = false;
            let finding = unknown_parent(route, kind, &key, pointer, build);
            build.diagnostics.push(finding);
        }
    }
    is_foreign
}

/// Reports a route that relies on default Gateways or names no parent.
fn no_parent(route: RouteObject<'_>) -> Option<Diagnostic> {
    if route.use_default_gateways == Some(UseDefaultGateways::All) {
        let pointer = Pointer::spec().key("useDefaultGateways");
        let message = "default Gateways aren't supported yet; name the Gateway in `parentRefs`";
        return Some(route.finding(Code::UnsupportedField, pointer, message));
    }
    let message = "the route names no Gateway in `parentRefs`, so it receives no traffic";
    let finding = || route.finding(Code::NoParent, crate::name_pointer(), message);
    route.parent_refs.is_empty().then(finding)
}

fn unknown_parent(
    route: RouteObject<'_>,
    kind: ParentKind,
    key: &NamespacedName,
    pointer: Pointer,
    build: &Build<'_>,
) -> Diagnostic {
    let missing = build.missing(kind.kind(), key);
    let (message, help) = missing.or_suggest((kind.kind(), key), || {
        suggested_parent(kind, key, build.resources)
    });
    let mut finding = route.finding(Code::UnknownParent, pointer.key("name"), message);
    finding.help = help;
    finding
}

fn suggested_parent(
    kind: ParentKind,
    key: &NamespacedName,
    resources: &Resources,
) -> Option<String> {
    let known = kind.keys(resources);
    let neighbours = known.iter().filter(|it| it.namespace == key.namespace);
    let similar = suggest(&key.name, neighbours.map(|it| &*it.name));
    similar.or_else(|| {
        let other = known.iter().find(|it| it.name == key.name)?;
        Some(format!(
            "there is one in another namespace: add `namespace: {}`",
            other.namespace
        ))
    })
}
