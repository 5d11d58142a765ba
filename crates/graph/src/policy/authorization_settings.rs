//! Reads `authorization` of a SecurityPolicy.
//!
//! In: the rules of a policy. Out: the filter that decides by them, or why they can't be enforced.

use super::path_condition;
use super::security_settings::header_name;
use gatefold_dataplane::filter::security::authorization::{
    AccessAction, AccessRule, AuthorizationFilter, ClaimCondition, ClaimKind, ClientNetwork,
    HeaderCondition, TokenCondition,
};
use gatefold_dataplane::filter::security::jwt::claims::ClaimPath;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_manifest::api::{
    Authorization, AuthorizationAction, AuthorizationRule, JWT, JWTClaimValueType, JWTPrincipal,
};
use http::Method;

/// Reads the rules. `jwt` is that of the same policy.
///
/// # Errors
/// What can't be enforced.
pub(super) fn read(
    fields: &Authorization,
    jwt: Option<&JWT>,
    normalization: PathNormalization,
) -> Result<AuthorizationFilter, String> {
    let rules = fields
        .rules
        .iter()
        .map(|rule| access_rule(rule, jwt, normalization));
    Ok(AuthorizationFilter {
        rules: rules.collect::<Result<_, _>>()?,
        // "If not specified, the default action is Deny."
        default: fields.default_action.map_or(AccessAction::Deny, action),
    })
}

fn action(action: AuthorizationAction) -> AccessAction {
    match action {
        AuthorizationAction::Allow => AccessAction::Allow,
        AuthorizationAction::Deny => AccessAction::Deny,
    }
}

/// Reads a rule. Its conditions that gatefold doesn't serve close the policy elsewhere.
fn access_rule(
    rule: &AuthorizationRule,
    jwt: Option<&JWT>,
    normalization: PathNormalization,
) -> Result<AccessRule, String> {
    let principal = rule.principal.as_ref();
    let networks = principal.and_then(|it| it.client_cidrs.as_ref());
    let networks = networks.into_iter().flatten().map(|text| {
        let network = ClientNetwork::parse(text);
        network.ok_or_else(|| format!("`{text}` isn't a network"))
    });
    let headers = principal.and_then(|it| it.headers.as_ref());
    let headers = headers.into_iter().flatten().map(|it| {
        let values = it.values.iter().map(|value| value.as_str().into());
        Ok(HeaderCondition::new(header_name(&it.name)?, values))
    });
    let token = principal.and_then(|it| it.jwt.as_ref());
    let token = token.map(|it| token_condition(it, jwt));
    let operation = rule.operation.as_ref();
    let methods = operation.and_then(|it| it.methods.as_ref());
    let methods = methods.into_iter().flatten().map(|it| {
        let method = Method::from_bytes(it.as_str().as_bytes());
        method.map_err(|_| format!("`{}` isn't a method", it.as_str()))
    });
    let path = operation.and_then(|it| it.path.as_ref());
    let path = path.map(|it| path_condition::read(it, normalization));
    Ok(AccessRule {
        name: rule.name.as_deref().map(Into::into),
        action: action(rule.action),
        networks: networks.collect::<Result<_, _>>()?,
        headers: headers.collect::<Result<_, String>>()?,
        token: token.transpose()?,
        methods: methods.collect::<Result<_, _>>()?,
        path: path.transpose()?,
    })
}

/// Reads a condition on a token. Its provider must be one of the policy: no other can have accepted the token.
fn token_condition(fields: &JWTPrincipal, jwt: Option<&JWT>) -> Result<TokenCondition, String> {
    let provider = &fields.provider;
    let mut providers = jwt.into_iter().flat_map(|jwt| &jwt.providers);
    if !providers.any(|it| it.name == *provider) {
        return Err(format!("the policy's `jwt` has no provider `{provider}`"));
    }
    let claims = fields.claims.iter().flatten().map(|it| ClaimCondition {
        claim: ClaimPath::new(&it.name),
        kind: match it.value_type {
            JWTClaimValueType::String => ClaimKind::Text,
            JWTClaimValueType::StringArray => ClaimKind::TextList,
        },
        values: it.values.iter().map(|it| it.as_str().into()).collect(),
    });
    let scopes = fields.scopes.iter().flatten();
    Ok(TokenCondition {
        provider: provider.as_str().into(),
        scopes: scopes.map(|it| it.as_str().into()).collect(),
        claims: claims.collect(),
    })
}
