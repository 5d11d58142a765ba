//! Merges a SecurityPolicy for a route with the one of its Gateway or listener (`mergeType`).
//!
//! Envoy Gateway writes both policies as JSON and applies the route's as a patch (`mergeSecurityPolicy`,
//! `internal/utils/merge.go`). `StrategicMerge` and `JSONMerge` merge mappings and replace lists. Only one list of those that
//! gatefold serves has a merge key, so that `StrategicMerge` merges it by name: `extAuth.contextExtensions`. A field without `omitempty` becomes `null` if it
//! is unset, and so removes the parent's: `authorization.defaultAction`.

use super::ext_auth_merge::{self, ListMerge};
use gatefold_manifest::api::{
    APIKeyAuth, Authorization, BasicAuth, CSRF, Fraction, JWT, RequiredList, SecretObjectReference,
    SecurityPolicyCors, SecurityPolicySpec,
};

/// Whether gatefold knows a merge type.
pub(super) fn is_merge_type(text: &str) -> bool {
    matches!(text, "StrategicMerge" | "JSONMerge")
}

/// Returns the policy of a route, merged into that of its parent. The targets are those of the route's policy.
pub(super) fn merge(route: &SecurityPolicySpec, parent: &SecurityPolicySpec) -> SecurityPolicySpec {
    let extensions = match route.merge_type.as_deref() {
        Some("StrategicMerge") => ListMerge::ByName,
        _ => ListMerge::Replace,
    };
    SecurityPolicySpec {
        target_ref: route.target_ref.clone(),
        target_refs: route.target_refs.clone(),
        target_selectors: route.target_selectors.clone(),
        merge_type: route.merge_type.clone(),
        api_key_auth: both(&route.api_key_auth, &parent.api_key_auth, api_key_auth),
        cors: both(&route.cors, &parent.cors, cors),
        csrf: both(&route.csrf, &parent.csrf, csrf),
        basic_auth: both(&route.basic_auth, &parent.basic_auth, basic_auth),
        jwt: both(&route.jwt, &parent.jwt, jwt),
        oidc: route.oidc.or(parent.oidc),
        ext_auth: both(&route.ext_auth, &parent.ext_auth, |route, parent| {
            ext_auth_merge::ext_auth(route, parent, extensions)
        }),
        authorization: both(&route.authorization, &parent.authorization, authorization),
    }
}

pub(super) fn both<T: Clone>(
    route: &Option<T>,
    parent: &Option<T>,
    merge: impl FnOnce(&T, &T) -> T,
) -> Option<T> {
    match (route, parent) {
        (Some(route), Some(parent)) => Some(merge(route, parent)),
        (Some(only), None) | (None, Some(only)) => Some(only.clone()),
        (None, None) => None,
    }
}

/// An empty list is left out of the JSON (`omitempty`), so the parent's remains.
pub(super) fn list<T: Clone>(route: &[T], parent: &[T]) -> Vec<T> {
    let chosen = if route.is_empty() { parent } else { route };
    chosen.to_vec()
}

fn secret(route: &SecretObjectReference, parent: &SecretObjectReference) -> SecretObjectReference {
    SecretObjectReference {
        namespace: route.namespace.clone().or_else(|| parent.namespace.clone()),
        ..route.clone()
    }
}

fn basic_auth(route: &BasicAuth, parent: &BasicAuth) -> BasicAuth {
    let header = route.forward_username_header.clone();
    BasicAuth {
        users: secret(&route.users, &parent.users),
        forward_username_header: header.or_else(|| parent.forward_username_header.clone()),
    }
}

fn api_key_auth(route: &APIKeyAuth, parent: &APIKeyAuth) -> APIKeyAuth {
    let header = route.forward_client_id_header.clone();
    APIKeyAuth {
        credential_refs: RequiredList(route.credential_refs.0.clone()),
        extract_from: route.extract_from.clone(),
        forward_client_id_header: header.or_else(|| parent.forward_client_id_header.clone()),
        sanitize: route.sanitize.or(parent.sanitize),
    }
}

fn jwt(route: &JWT, parent: &JWT) -> JWT {
    JWT {
        optional: route.optional.or(parent.optional),
        fail_open: route.fail_open.or(parent.fail_open),
        providers: route.providers.clone(),
    }
}

fn cors(route: &SecurityPolicyCors, parent: &SecurityPolicyCors) -> SecurityPolicyCors {
    SecurityPolicyCors {
        allow_origins: list(&route.allow_origins, &parent.allow_origins),
        allow_methods: list(&route.allow_methods, &parent.allow_methods),
        allow_headers: list(&route.allow_headers, &parent.allow_headers),
        expose_headers: list(&route.expose_headers, &parent.expose_headers),
        max_age: route.max_age.or(parent.max_age),
        allow_credentials: route.allow_credentials.or(parent.allow_credentials),
    }
}

fn csrf(route: &CSRF, parent: &CSRF) -> CSRF {
    CSRF {
        shadow_fraction: both(&route.shadow_fraction, &parent.shadow_fraction, fraction),
        additional_origins: list(&route.additional_origins, &parent.additional_origins),
    }
}

/// The decoder has filled in the default of the route's denominator, which the API server does, too.
fn fraction(route: &Fraction, _: &Fraction) -> Fraction {
    route.clone()
}

fn authorization(route: &Authorization, parent: &Authorization) -> Authorization {
    Authorization {
        rules: list(&route.rules, &parent.rules),
        default_action: route.default_action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::api::AuthorizationAction;

    #[test]
    fn default_action_of_the_parent_is_removed() {
        let parent = Authorization {
            rules: Vec::new(),
            default_action: Some(AuthorizationAction::Allow),
        };
        let merged = authorization(&Authorization::default(), &parent);
        assert_eq!(
            merged.default_action, None,
            "an unset field is `null` in the patch"
        );
    }

    #[test]
    fn lists_are_replaced_and_other_fields_remain() {
        let origins = |origin: &str| SecurityPolicyCors {
            allow_origins: vec![origin.to_owned()],
            ..SecurityPolicyCors::default()
        };
        let parent = SecurityPolicyCors {
            allow_methods: vec!["GET".to_owned()],
            allow_credentials: Some(true),
            ..origins("https://a.example")
        };
        let merged = cors(&origins("https://b.example"), &parent);
        let expected = SecurityPolicyCors {
            allow_origins: vec!["https://b.example".to_owned()],
            ..parent
        };
        assert_eq!(merged, expected);
    }
}
