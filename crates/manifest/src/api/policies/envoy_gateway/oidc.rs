//! `SecurityPolicy.spec.oidc`.

use super::{BackendSettings, ClusterBackendRef, StringMatch, StringMatchType, Untyped};
use crate::api::{Duration, HeaderName, SecretObjectReference, choice, object, refuse};
use crate::decode::name;
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;

object! {
    /// Authentication by an OpenID provider.
    pub closed OIDC checked by OIDC::check {
        /// The provider.
        "provider" => provider: OIDCProvider,
        /// The id of the client at the provider. Either this or `clientIDRef` is set.
        "clientID" => client_id: Option<String> [1..=usize::MAX],
        /// The Secret with the id, in the entry `client-id`.
        "clientIDRef" => client_id_ref: Option<SecretObjectReference>,
        /// The Secret with the secret of the client, in the entry `client-secret`.
        "clientSecret" => client_secret: SecretObjectReference,
        /// The names of cookies.
        "cookieNames" => cookie_names: Option<OIDCCookieNames>,
        /// The attributes of cookies.
        "cookieConfig" => cookie_config: Option<OIDCCookieConfig>,
        /// The domain of the cookies; absent for the host of the request.
        "cookieDomain" => cookie_domain: Option<String> where domain,
        /// The scopes of logins. `openid` is always added.
        "scopes" => scopes: Vec<String>,
        /// The resources of logins (RFC 8707).
        "resources" => resources: Vec<String>,
        /// The URL of the callback, which may contain `%REQ(...)%`.
        "redirectURL" => redirect_url: Option<String>,
        /// The requests that aren't redirected to the provider.
        "denyRedirect" => deny_redirect: Option<OIDCDenyRedirect>,
        /// The path that logs out; absent for `/logout`.
        "logoutPath" => logout_path: Option<String>,
        /// Whether backends get the access token in `Authorization`; absent for no.
        "forwardAccessToken" => forward_access_token: Option<bool>,
        /// Where backends get the ID token.
        "forwardIDToken" => forward_id_token: Option<OIDCTokenForwarding>,
        /// The lifetime of an access token if the provider doesn't say.
        "defaultTokenTTL" => default_token_ttl: Option<Duration>,
        /// Whether sessions are renewed with their refresh token.
        "refreshToken" => refresh_token: bool = true,
        /// The lifetime of a refresh token that doesn't say; absent for a week.
        "defaultRefreshTokenTTL" => default_refresh_token_ttl: Option<Duration>,
        /// The time for a login; absent for 10 minutes.
        "csrfTokenTTL" => csrf_token_ttl: Option<Duration>,
        /// Whether the cookies contain the tokens as they are; absent for no.
        "disableTokenEncryption" => disable_token_encryption: Option<bool>,
        /// Whether requests with a token for `jwt` need no login; absent for no.
        "passThroughAuthHeader" => pass_through_auth_header: Option<bool>,
    }
}

impl OIDC {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        match (&self.client_id, &self.client_id_ref) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => refuse(node, "clientID", "is required, or `clientIDRef`", decoder),
            (Some(_), Some(_)) => {
                let why = "isn't allowed together with `clientID`";
                refuse(node, "clientIDRef", why, decoder);
            }
        }
        let id_header = self.forward_id_token.as_ref();
        let is_authorization = |it: &OIDCTokenForwarding| {
            let header = it.header.as_str();
            header.eq_ignore_ascii_case("authorization")
        };
        if self.forward_access_token == Some(true) && id_header.is_some_and(is_authorization) {
            let why = "isn't allowed if `forwardIDToken.header` is `Authorization`";
            refuse(node, "forwardAccessToken", why, decoder);
        }
    }
}

object! {
    /// An OpenID provider.
    pub closed OIDCProvider checked by OIDCProvider::check {
        /// The older field, which isn't allowed here.
        "backendRef" => backend_ref: Option<Untyped>,
        /// The Services to connect to. Empty for the hosts of the URLs.
        "backendRefs" => backend_refs: Vec<ClusterBackendRef> [0..=16],
        /// Settings of the connection.
        "backendSettings" => backend_settings: Option<BackendSettings>,
        /// The issuer.
        "issuer" => issuer: String where issuer_url,
        /// Where users log in; absent for what the provider says.
        "authorizationEndpoint" => authorization_endpoint: Option<String>,
        /// Where tokens are issued; absent for what the provider says.
        "tokenEndpoint" => token_endpoint: Option<String>,
        /// Where users log out; absent for what the provider says, if anything has to be fetched from it.
        "endSessionEndpoint" => end_session_endpoint: Option<String>,
    }
}

impl OIDCProvider {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.backend_ref.is_some() {
            let why = "isn't allowed: use `backendRefs`";
            refuse(node, "backendRef", why, decoder);
        }
    }
}

object! {
    /// The names of cookies.
    pub closed OIDCCookieNames {
        /// The cookie with the access token.
        "accessToken" => access_token: Option<String>,
        /// The cookie with the ID token.
        "idToken" => id_token: Option<String>,
    }
}

object! {
    /// The attributes of cookies.
    pub closed OIDCCookieConfig {
        /// Which requests from other sites have them.
        "sameSite" => same_site: Option<OIDCSameSite>,
    }
}

choice! {
    /// Which requests from other sites have a cookie.
    pub OIDCSameSite {
        /// Those that open a page.
        Lax,
        /// None.
        Strict,
        /// All.
        None,
    }
}

object! {
    /// Requests that aren't redirected to the provider.
    pub closed OIDCDenyRedirect {
        /// Headers of which one suffices.
        "headers" => headers: Vec<OIDCDenyRedirectHeader> [1..=16],
    }
}

/// A header with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct OIDCDenyRedirectHeader {
    /// The name.
    pub name: String,
    /// The value.
    pub value: StringMatch,
}

object! {
    /// The fields of [`OIDCDenyRedirectHeader`] as in YAML, where the value is inline.
    pub closed OIDCDenyRedirectHeaderFields {
        /// At least one character.
        "name" => name: String [1..=usize::MAX],
        /// See [`StringMatch`].
        "type" => kind: StringMatchType = StringMatchType::Exact,
        /// See [`StringMatch`].
        "value" => value: String [1..=1024],
    }
}

impl Decode for OIDCDenyRedirectHeader {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let OIDCDenyRedirectHeaderFields { name, kind, value } =
            OIDCDenyRedirectHeaderFields::decode(node, decoder)?;
        Some(OIDCDenyRedirectHeader {
            name,
            value: StringMatch { kind, value },
        })
    }
}

object! {
    /// Where backends get a token.
    pub closed OIDCTokenForwarding checked by OIDCTokenForwarding::check {
        /// The header.
        "header" => header: HeaderName,
    }
}

impl OIDCTokenForwarding {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.header.as_str().eq_ignore_ascii_case("host") {
            refuse(node, "header", "must not be `Host`", decoder);
        }
    }
}

/// `^https://[^/?#@]+(/[^?#]*)?$`
fn issuer_url(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("https://");
    let is_issuer = rest.is_some_and(|rest| {
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        !host.is_empty() && !host.contains('@') && !rest.contains(['?', '#'])
    });
    if is_issuer {
        return Ok(());
    }
    Err("must be an `https` URL without a user, a query and a fragment".to_owned())
}

/// Labels in lower case, separated by dots.
fn domain(text: &str) -> Result<(), String> {
    name::subdomain(text).map_err(|_| format!("`{text}` isn't a domain in lower case"))
}
