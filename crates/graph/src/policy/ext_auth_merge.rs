//! Merges `extAuth` of a SecurityPolicy for a route with that of its Gateway or listener.
//!
//! The result may have what a single policy can't, such as both protocols; whoever reads the settings reports it.

use super::security_merge::{both, list};
use gatefold_manifest::api::{
    AuthBackendSettings, BackendObjectReference, ContextExtension, ExtAuth, GRPCExtAuthService,
    HTTPExtAuthService,
};

/// How the lists with a merge key are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListMerge {
    /// The parent's entries stay, unless the route has one with the same name.
    ByName,
    /// The route's list replaces the parent's.
    Replace,
}

/// Returns the settings of a route, merged into those of its parent.
pub(super) fn ext_auth(route: &ExtAuth, parent: &ExtAuth, extensions: ListMerge) -> ExtAuth {
    let (own, other) = (&route.context_extensions, &parent.context_extensions);
    ExtAuth {
        grpc: both(&route.grpc, &parent.grpc, grpc),
        http: both(&route.http, &parent.http, http),
        headers_to_ext_auth: list(&route.headers_to_ext_auth, &parent.headers_to_ext_auth),
        body_to_ext_auth: (route.body_to_ext_auth.as_ref())
            .or(parent.body_to_ext_auth.as_ref())
            .cloned(),
        timeout: route.timeout.or(parent.timeout),
        fail_open: route.fail_open.or(parent.fail_open),
        recompute_route: route.recompute_route.or(parent.recompute_route),
        include_route_metadata: route
            .include_route_metadata
            .or(parent.include_route_metadata),
        context_extensions: match extensions {
            ListMerge::ByName => by_name(own, other),
            ListMerge::Replace => list(own, other),
        },
        status_on_error: route.status_on_error.or(parent.status_on_error),
    }
}

fn by_name(route: &[ContextExtension], parent: &[ContextExtension]) -> Vec<ContextExtension> {
    let replaced = |it: &&ContextExtension| route.iter().any(|own| own.name == it.name);
    let kept = parent.iter().filter(|it| !replaced(it));
    kept.chain(route).cloned().collect()
}

fn grpc(route: &GRPCExtAuthService, parent: &GRPCExtAuthService) -> GRPCExtAuthService {
    GRPCExtAuthService {
        backend_ref: both(&route.backend_ref, &parent.backend_ref, reference),
        backend_refs: list(&route.backend_refs, &parent.backend_refs),
        backend_settings: both(&route.backend_settings, &parent.backend_settings, settings),
    }
}

fn http(route: &HTTPExtAuthService, parent: &HTTPExtAuthService) -> HTTPExtAuthService {
    HTTPExtAuthService {
        backend_ref: both(&route.backend_ref, &parent.backend_ref, reference),
        backend_refs: list(&route.backend_refs, &parent.backend_refs),
        backend_settings: both(&route.backend_settings, &parent.backend_settings, settings),
        path: route.path.clone().or_else(|| parent.path.clone()),
        path_override: (route.path_override.clone()).or_else(|| parent.path_override.clone()),
        headers_to_backend: list(&route.headers_to_backend, &parent.headers_to_backend),
    }
}

fn reference(
    route: &BackendObjectReference,
    parent: &BackendObjectReference,
) -> BackendObjectReference {
    BackendObjectReference {
        namespace: route.namespace.clone().or_else(|| parent.namespace.clone()),
        ..route.clone()
    }
}

/// None of them is served, so only their names count.
fn settings(route: &AuthBackendSettings, parent: &AuthBackendSettings) -> AuthBackendSettings {
    let all = route.unserved.iter().chain(&parent.unserved);
    AuthBackendSettings {
        unserved: all.cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::api::{ContextExtensionValueType, SecretText};

    fn extension(name: &str, value: &str) -> ContextExtension {
        ContextExtension {
            name: name.to_owned(),
            kind: ContextExtensionValueType::Value,
            value: Some(SecretText::new(value)),
            value_ref: None,
        }
    }

    fn with(context_extensions: Vec<ContextExtension>) -> ExtAuth {
        ExtAuth {
            grpc: None,
            http: None,
            headers_to_ext_auth: Vec::new(),
            body_to_ext_auth: None,
            timeout: None,
            fail_open: None,
            recompute_route: None,
            include_route_metadata: None,
            context_extensions,
            status_on_error: None,
        }
    }

    #[test]
    fn context_extensions_are_merged_by_name_only_by_a_strategic_merge() {
        let parent = with(vec![extension("a", "1"), extension("b", "1")]);
        let route = with(vec![extension("b", "2")]);
        let merged = ext_auth(&route, &parent, ListMerge::ByName);
        let both = vec![extension("a", "1"), extension("b", "2")];
        assert_eq!(merged.context_extensions, both);
        let merged = ext_auth(&route, &parent, ListMerge::Replace);
        assert_eq!(merged.context_extensions, route.context_extensions);
    }

    #[test]
    fn fail_open_of_the_route_counts_also_if_it_is_false() {
        let set = |fail_open| ExtAuth {
            fail_open,
            ..with(Vec::new())
        };
        let merged = ext_auth(&set(Some(false)), &set(Some(true)), ListMerge::Replace);
        assert_eq!(merged.fail_open, Some(false));
    }
}
