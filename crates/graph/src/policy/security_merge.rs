//! Merges a SecurityPolicy for a route with the one of its Gateway or listener (`mergeType`).
//!
//! Envoy Gateway writes both policies as JSON and applies the route's as a patch (`mergeSecurityPolicy`,
//! `internal/utils/merge.go`). `StrategicMerge` and `JSONMerge` merge mappings and replace lists. Only one list of those that
//! gatefold serves has a merge key, so that `StrategicMerge` merges it by name: `extAuth.contextExtensions`. A field without `omitempty` becomes `null` if it
//! is unset, and so removes the parent's: `authorization.defaultAction`.

use super::ext_auth_merge::{self, ListMerge};
use gatefold_manifest::api::{
    APIKeyAuth, Authorization, BackendSettings, BasicAuth, CSRF, Fraction, JWT, OIDC,
    OIDCCookieConfig, OIDCCookieNames, OIDCProvider, RequiredList, SecretObjectReference,
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
        oidc: both(&route.oidc, &parent.oidc, oidc),
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

fn oidc(route: &OIDC, parent: &OIDC) -> OIDC {
    let id = both(&route.client_id_ref, &parent.client_id_ref, secret);
    let of = |route: &Option<String>, parent: &Option<String>| route.clone().or(parent.clone());
    OIDC {
        provider: oidc_provider(&route.provider, &parent.provider),
        client_id: of(&route.client_id, &parent.client_id),
        client_id_ref: id,
        client_secret: secret(&route.client_secret, &parent.client_secret),
        cookie_names: both(
            &route.cookie_names,
            &parent.cookie_names,
            |route, parent| OIDCCookieNames {
                access_token: of(&route.access_token, &parent.access_token),
                id_token: of(&route.id_token, &parent.id_token),
            },
        ),
        cookie_config: both(
            &route.cookie_config,
            &parent.cookie_config,
            |route, parent| OIDCCookieConfig {
                same_site: route.same_site.or(parent.same_site),
            },
        ),
        cookie_domain: of(&route.cookie_domain, &parent.cookie_domain),
        scopes: list(&route.scopes, &parent.scopes),
        resources: list(&route.resources, &parent.resources),
        redirect_url: of(&route.redirect_url, &parent.redirect_url),
        deny_redirect: route.deny_redirect.clone().or(parent.deny_redirect.clone()),
        logout_path: of(&route.logout_path, &parent.logout_path),
        forward_access_token: route.forward_access_token.or(parent.forward_access_token),
        forward_id_token: route
            .forward_id_token
            .clone()
            .or(parent.forward_id_token.clone()),
        default_token_ttl: route.default_token_ttl.or(parent.default_token_ttl),
        // The API server sets the default, so the route's policy always has a value.
        refresh_token: route.refresh_token,
        default_refresh_token_ttl: (route.default_refresh_token_ttl)
            .or(parent.default_refresh_token_ttl),
        csrf_token_ttl: route.csrf_token_ttl.or(parent.csrf_token_ttl),
        disable_token_encryption: (route.disable_token_encryption)
            .or(parent.disable_token_encryption),
        pass_through_auth_header: (route.pass_through_auth_header)
            .or(parent.pass_through_auth_header),
    }
}

fn oidc_provider(route: &OIDCProvider, parent: &OIDCProvider) -> OIDCProvider {
    let of = |route: &Option<String>, parent: &Option<String>| route.clone().or(parent.clone());
    OIDCProvider {
        backend_ref: route.backend_ref.or(parent.backend_ref),
        backend_refs: list(&route.backend_refs, &parent.backend_refs),
        backend_settings: both(
            &route.backend_settings,
            &parent.backend_settings,
            backend_settings,
        ),
        issuer: route.issuer.clone(),
        authorization_endpoint: of(
            &route.authorization_endpoint,
            &parent.authorization_endpoint,
        ),
        token_endpoint: of(&route.token_endpoint, &parent.token_endpoint),
        end_session_endpoint: of(&route.end_session_endpoint, &parent.end_session_endpoint),
    }
}

fn backend_settings(route: &BackendSettings, parent: &BackendSettings) -> BackendSettings {
    let unserved = route.unserved.iter().chain(&parent.unserved);
    BackendSettings {
        request_timeout: route.request_timeout.or(parent.request_timeout),
        connect_timeout: route.connect_timeout.or(parent.connect_timeout),
        unserved: unserved.cloned().collect(),
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
