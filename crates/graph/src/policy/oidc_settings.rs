//! Reads `oidc` of a SecurityPolicy.
//!
//! In: the settings of a policy. Out: the filter, or the problems for which nothing can be enforced. The rules beyond the CRD's are
//! those of Envoy Gateway (`buildOIDC`, `validateSecurityPolicy`), and a few more without which logins could not be trusted.

use super::issuer_backends;
use super::jwt_settings;
use super::oidc_client_secrets::ClientSecrets;
use super::oidc_providers::OidcProviderSource;
use super::security_settings::{PolicyOwners, SettingsReader, header_name};
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;
use gatefold_dataplane::filter::security::jwt::token_source::TokenSources;
use gatefold_dataplane::filter::security::oidc::cookie_key::{CookieKey, CookieOwner};
use gatefold_dataplane::filter::security::oidc::cookies::{CookieSettings, OidcCookies, SameSite};
use gatefold_dataplane::filter::security::oidc::header_match::{HeaderMatch, ValuePattern};
use gatefold_dataplane::filter::security::oidc::provider::{NamedEndpoints, RemoteProvider};
use gatefold_dataplane::filter::security::oidc::redirect_url::{RedirectUrl, check_path};
use gatefold_dataplane::filter::security::oidc::session::TokenStorage;
use gatefold_dataplane::filter::security::oidc::{OidcFilter, OidcLifetimes, Renewal};
use gatefold_dataplane::issuer_fetch::parse_url;
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{
    OIDC, OIDCCookieConfig, OIDCDenyRedirectHeader, OIDCProvider, OIDCSameSite, SecurityPolicy,
    SecurityPolicySpec, StringMatchType,
};
use http::Uri;
use http::header::AUTHORIZATION;
use regex::bytes::Regex;
use std::sync::Arc;
use std::time::Duration;

/// "If not specified, uses a default logout path".
const DEFAULT_LOGOUT_PATH: &str = "/logout";
/// "defaults to 604800s (one week)".
const DEFAULT_REFRESH_TOKEN_LIFETIME: Duration = Duration::from_secs(604_800);
/// "defaults the token expiration to 10 minutes".
const DEFAULT_LOGIN_LIFETIME: Duration = Duration::from_secs(600);

impl SettingsReader<'_, '_> {
    /// Reads the filter. `None` if there are problems.
    pub(super) fn oidc(
        &mut self,
        owners: PolicyOwners<'_>,
        spec: &SecurityPolicySpec,
        fields: &OIDC,
    ) -> Option<OidcFilter> {
        let owner = owners.of(|it| it.oidc.is_some());
        let at = Pointer::spec().key("oidc");
        let provider = self.oidc_provider(owners, &fields.provider, &at.key("provider"));
        let secrets = self.client_secrets(owners, fields, &at);
        let paths = self.paths(owner, fields, &at);
        let cookies = self.cookies(owner, fields, &at);
        let deny = fields.deny_redirect.as_ref().map(|it| &it.headers);
        let deny_at = at.key("denyRedirect").key("headers");
        let deny_redirect = self.deny_redirect(owner, deny, &deny_at);
        let forward_id_token = fields.forward_id_token.as_ref().map(|it| {
            let header = header_name(it.header.as_str()).and_then(ForwardHeader::new);
            let pointer = at.key("forwardIDToken").key("header");
            header.map_err(|why| self.report(owner, pointer, why))
        });
        // The loader has compared them in each policy, but not in merged ones.
        if fields.forward_access_token == Some(true)
            && let Some(Ok(header)) = &forward_id_token
            && *header.name() == AUTHORIZATION
        {
            let why = "isn't allowed if `forwardIDToken.header` is `Authorization`".to_owned();
            self.report(owner, at.key("forwardAccessToken"), why);
        }
        let passes = fields.pass_through_auth_header == Some(true);
        let pass_through = passes.then(|| {
            let read = pass_through(
                spec,
                forward_id_token.as_ref().and_then(|it| it.as_ref().ok()),
            );
            read.map_err(|why| self.report(owner, at.key("passThroughAuthHeader"), why))
        });
        let ClientSecrets {
            client,
            cookies: secret,
        } = secrets?;
        let (redirect_url, logout_path) = paths?;
        let policy = owner.key().to_string();
        let key = CookieOwner {
            policy: &policy,
            issuer: &fields.provider.issuer,
            client_id: &client.id,
        };
        Some(OidcFilter {
            key: CookieKey::derive(&secret, key),
            issuer: fields.provider.issuer.as_str().into(),
            client,
            provider: provider?,
            scope: scope(&fields.scopes).into(),
            resources: fields
                .resources
                .iter()
                .map(|it| it.as_str().into())
                .collect(),
            redirect_url,
            logout_path: logout_path.into(),
            cookies: cookies?,
            lifetimes: lifetimes(fields),
            renewal: if fields.refresh_token {
                Renewal::ByRefreshToken
            } else {
                Renewal::Never
            },
            forward_access_token: match fields.forward_access_token {
                Some(true) => ForwardHeader::new(AUTHORIZATION).ok(),
                Some(false) | None => None,
            },
            forward_id_token: forward_id_token.transpose().ok()?,
            deny_redirect: deny_redirect?,
            pass_through: pass_through.transpose().ok()?,
            policy: policy.into(),
        })
    }

    fn oidc_provider(
        &mut self,
        owners: PolicyOwners<'_>,
        fields: &OIDCProvider,
        at: &Pointer,
    ) -> Option<Arc<RemoteProvider>> {
        let owner = owners.of(|it| it.oidc.is_some());
        let mut endpoint = |url: Option<&String>, name: &'static str| {
            let read = url.map(|it| endpoint(it));
            let read = read.transpose();
            read.map_err(|why| self.report(owner, at.key(name), why))
        };
        let authorization = endpoint(
            fields.authorization_endpoint.as_ref(),
            "authorizationEndpoint",
        );
        let token = endpoint(fields.token_endpoint.as_ref(), "tokenEndpoint");
        let end_session = endpoint(fields.end_session_endpoint.as_ref(), "endSessionEndpoint");
        let issuer = endpoint(Some(&fields.issuer), "issuer");
        let of_backends = owners.of(|it| {
            let provider = it.oidc.as_ref().map(|it| &it.provider);
            provider.is_some_and(|it| !it.backend_refs.is_empty())
        });
        let list = at.key("backendRefs");
        let backends = self.issuer_backends(of_backends, &fields.backend_refs, &list)?;
        if let Some(settings) = &fields.backend_settings {
            self.warn_of_settings(owner, &settings.unserved);
        }
        let named = NamedEndpoints {
            issuer: fields.issuer.as_str().into(),
            authorization: authorization.ok()?,
            token: token.ok()?,
            end_session: end_session.ok()?,
        };
        issuer.ok()?;
        let in_clear = |uri: &Uri| uri.scheme_str() == Some("http");
        if backends.is_empty() && named.token.as_ref().is_some_and(in_clear) {
            let pointer = at.key("tokenEndpoint");
            let why = "the secret of the client and the tokens of users are sent in plain text";
            self.warnings.push(format!("`{pointer}`: {why}"));
        }
        let source = OidcProviderSource {
            issuer: fields.issuer.clone(),
            authorization: fields.authorization_endpoint.clone(),
            token: fields.token_endpoint.clone(),
            end_session: fields.end_session_endpoint.clone(),
            backends,
        };
        let limits = issuer_backends::limits(fields.backend_settings.as_ref());
        let named_at = (owner.place(at.key("issuer")), owner.id());
        let providers = &self.build.security.oidc_providers;
        Some(providers.add(source, (named, limits), named_at))
    }

    /// Reads the URL of the callback, and the path that logs out.
    fn paths(
        &mut self,
        owner: &SecurityPolicy,
        fields: &OIDC,
        at: &Pointer,
    ) -> Option<(RedirectUrl, String)> {
        let url = fields.redirect_url.as_deref();
        let url = url.map_or_else(|| Ok(RedirectUrl::default()), RedirectUrl::parse);
        let url = url.map_err(|why| self.report(owner, at.key("redirectURL"), why));
        let path = fields.logout_path.as_deref().unwrap_or(DEFAULT_LOGOUT_PATH);
        let mut checked = check_path(path);
        if url.as_ref().is_ok_and(|url| url.path() == path) {
            checked = Err("must differ from the path of `redirectURL`".to_owned());
        }
        let checked = checked.map_err(|why| self.report(owner, at.key("logoutPath"), why));
        Some((url.ok()?, checked.ok().map(|()| path.to_owned())?))
    }

    fn cookies(
        &mut self,
        owner: &SecurityPolicy,
        fields: &OIDC,
        at: &Pointer,
    ) -> Option<OidcCookies> {
        let names = fields.cookie_names.as_ref();
        let access_token = names.and_then(|it| it.access_token.as_deref());
        let id_token = names.and_then(|it| it.id_token.as_deref());
        let domain = fields.cookie_domain.as_deref();
        if let Err(why) = check_cookie_names(access_token, id_token, domain) {
            self.report(owner, at.key("cookieNames"), why);
            return None;
        }
        let same_site = fields.cookie_config.as_ref();
        let same_site = same_site.and_then(|it: &OIDCCookieConfig| it.same_site);
        Some(OidcCookies::new(&CookieSettings {
            policy: &owner.key().to_string(),
            access_token,
            id_token,
            domain,
            same_site: match same_site {
                Some(OIDCSameSite::Lax) | None => SameSite::Lax,
                Some(OIDCSameSite::Strict) => SameSite::Strict,
                Some(OIDCSameSite::None) => SameSite::None,
            },
            storage: match fields.disable_token_encryption {
                Some(true) => TokenStorage::Plain,
                Some(false) | None => TokenStorage::Encrypted,
            },
        }))
    }

    fn deny_redirect(
        &mut self,
        owner: &SecurityPolicy,
        headers: Option<&Vec<OIDCDenyRedirectHeader>>,
        at: &Pointer,
    ) -> Option<Vec<HeaderMatch>> {
        let headers = headers.into_iter().flatten().enumerate();
        let read = headers.map(|(index, it)| {
            let pointer = at.index(index);
            let read = header_match(it);
            read.map_err(|why| self.report(owner, pointer, why)).ok()
        });
        let read: Vec<Option<HeaderMatch>> = read.collect();
        read.into_iter().collect()
    }
}

/// Reads the URL of an endpoint. Parameters are added to its query, so it must have no fragment (RFC 6749, section 3.1).
fn endpoint(text: &str) -> Result<Uri, String> {
    if text.contains('#') {
        return Err("the URL has a fragment".to_owned());
    }
    parse_url(text)
}

fn header_match(fields: &OIDCDenyRedirectHeader) -> Result<HeaderMatch, String> {
    let text = &*fields.value.value;
    Ok(HeaderMatch {
        name: header_name(&fields.name)?,
        pattern: match fields.value.kind {
            StringMatchType::Exact => ValuePattern::Exact(text.into()),
            StringMatchType::Prefix => ValuePattern::Prefix(text.into()),
            StringMatchType::Suffix => ValuePattern::Suffix(text.into()),
            StringMatchType::RegularExpression => {
                // The pattern alone must be an expression, since `a)|(b` is one only between brackets.
                let whole = || Regex::new(&format!("^(?:{text})$"));
                let expression = Regex::new(text).and_then(|_| whole());
                ValuePattern::Expression(
                    expression
                        .map_err(|error| format!("`{text}` isn't a regular expression: {error}"))?,
                )
            }
        },
    })
}

/// Returns the places of tokens that need no login. The `jwt` filter of the same policy must verify them.
fn pass_through(
    spec: &SecurityPolicySpec,
    id_token: Option<&ForwardHeader>,
) -> Result<TokenSources, String> {
    let jwt = spec.jwt.as_ref();
    let jwt = jwt.ok_or("the policy has no `jwt`, which would verify these tokens")?;
    if jwt.fail_open == Some(true) {
        return Err("`jwt.failOpen` would let requests with any token pass".to_owned());
    }
    let sources = jwt_settings::header_sources(jwt)?;
    if let Some(header) = id_token
        && sources.reads_header(header.name())
    {
        return Err(format!(
            "`jwt` reads the header {header} or one that a backend may take for it, and `forwardIDToken` sends the ID token in it"
        ));
    }
    Ok(sources)
}

/// Names of cookies are tokens (RFC 6265, section 4.1.1). Those of the two tokens must differ.
fn check_cookie_names(
    access_token: Option<&str>,
    id_token: Option<&str>,
    domain: Option<&str>,
) -> Result<(), String> {
    for name in access_token.into_iter().chain(id_token) {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("`{name}` isn't the name of a cookie"));
        }
        if domain.is_some() && name.to_ascii_lowercase().starts_with("__host-") {
            return Err(format!(
                "`{name}` isn't allowed together with `cookieDomain`"
            ));
        }
    }
    if access_token.is_some() && access_token == id_token {
        return Err("both tokens would have the same cookie".to_owned());
    }
    Ok(())
}

/// "The `openid` scope is always added to the list of scopes if not already specified."
fn scope(scopes: &[String]) -> String {
    const OPENID: &str = "openid";
    let mut all: Vec<&str> = scopes.iter().map(String::as_str).collect();
    if !all.iter().any(|it| it.split(' ').any(|it| it == OPENID)) {
        all.push(OPENID);
    }
    all.join(" ")
}

fn lifetimes(fields: &OIDC) -> OidcLifetimes {
    let set = |it: gatefold_manifest::api::Duration| Some(it.0).filter(|it| it.as_secs() > 0);
    OidcLifetimes {
        token: fields.default_token_ttl.and_then(set),
        refresh_token: fields
            .default_refresh_token_ttl
            .and_then(set)
            .unwrap_or(DEFAULT_REFRESH_TOKEN_LIFETIME),
        login: fields
            .csrf_token_ttl
            .and_then(set)
            .unwrap_or(DEFAULT_LOGIN_LIFETIME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openid_is_always_a_scope() {
        let scopes =
            |list: &[&str]| scope(&list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(scopes(&[]), "openid");
        assert_eq!(scopes(&["email", "profile"]), "email profile openid");
        assert_eq!(scopes(&["openid", "email"]), "openid email");
        assert_eq!(scopes(&["email openid"]), "email openid");
    }

    #[test]
    fn cookies_have_distinct_names_without_special_characters() {
        assert_eq!(check_cookie_names(None, None, None), Ok(()));
        assert_eq!(
            check_cookie_names(Some("a"), Some("b"), Some("example.com")),
            Ok(())
        );
        assert_eq!(check_cookie_names(Some("__Host-a"), None, None), Ok(()));
        for (access_token, id_token, domain) in [
            (Some("a"), Some("a"), None),
            (Some("a=b"), None, None),
            (None, Some("a;b"), None),
            (Some(""), None, None),
            (Some("__Host-a"), None, Some("example.com")),
        ] {
            assert!(check_cookie_names(access_token, id_token, domain).is_err());
        }
    }

    #[test]
    fn endpoint_has_no_fragment_and_no_password() {
        assert!(endpoint("https://idp.example/auth?prompt=login").is_ok());
        for text in [
            "https://idp.example/#a",
            "https://a:b@idp.example/",
            "idp.example",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
