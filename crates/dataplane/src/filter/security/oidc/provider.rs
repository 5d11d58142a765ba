//! What is known of an OpenID provider.
//!
//! In: the configuration that the provider publishes (OpenID Connect Discovery 1.0), and what the policy says of it. Out: its
//! endpoints and its keys. The daemon fetches them; requests read them without waiting.

use super::token_endpoint::{ClientAuthentication, Grant};
use crate::filter::security::jwt::key_set::KeySet;
use crate::issuer_fetch::{FetchLimits, IssuerPlace, parse_url};
use arc_swap::{ArcSwap, ArcSwapOption};
use http::Uri;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The maximum length of a configuration, in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// The maximum number of concurrent requests to a provider's token endpoint with codes, and of those with refresh tokens. A hanging
/// provider must not collect more. Every client can send codes, even invalid ones, so they must not keep sessions from being renewed.
const MAX_TOKEN_REQUESTS: usize = 64;
/// Where a configuration is, below the issuer (section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A provider. Nothing is known of it until its configuration is there.
#[derive(Debug, Default)]
pub struct RemoteProvider {
    configuration: ArcSwapOption<ProviderConfiguration>,
    failure: ArcSwap<Option<String>>,
    code_requests: Arc<AtomicUsize>,
    refresh_requests: Arc<AtomicUsize>,
}

/// The endpoints and the keys of a provider.
#[derive(Clone, Debug)]
pub struct ProviderConfiguration {
    /// Where users log in.
    pub authorization: Uri,
    /// Where tokens are issued.
    pub token: IssuerPlace,
    /// The time limits of a request for tokens.
    pub limits: FetchLimits,
    /// How the client authenticates there.
    pub authentication: ClientAuthentication,
    /// Where users log out, if the provider has such a page.
    pub end_session: Option<Uri>,
    /// The keys that sign ID tokens. `None` if TLS vouches for them.
    pub keys: Option<ProviderKeySet>,
}

/// The keys of a provider.
#[derive(Clone, Debug)]
pub struct ProviderKeySet {
    /// Where they are.
    pub place: IssuerPlace,
    /// The keys, as last fetched.
    pub keys: Arc<KeySet>,
}

/// What a policy says of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEndpoints {
    /// The issuer, an `https` URL.
    pub issuer: Box<str>,
    /// API: `authorizationEndpoint`.
    pub authorization: Option<Uri>,
    /// API: `tokenEndpoint`.
    pub token: Option<Uri>,
    /// API: `endSessionEndpoint`.
    pub end_session: Option<Uri>,
}

/// The endpoints of a provider, before anything is known of how to connect to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredEndpoints {
    /// Where users log in.
    pub authorization: Uri,
    /// Where tokens are issued.
    pub token: Uri,
    /// Where users log out.
    pub end_session: Option<Uri>,
    /// Where the keys are.
    pub jwks: Uri,
    /// How the client authenticates.
    pub authentication: ClientAuthentication,
}

/// The members of a configuration that are used (section 3).
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    jwks_uri: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl NamedEndpoints {
    /// Returns the URL of the configuration. `None` if the issuer isn't a URL.
    pub fn configuration_url(&self) -> Option<Uri> {
        let base = self.issuer.trim_end_matches('/');
        parse_url(&format!("{base}{WELL_KNOWN}")).ok()
    }

    /// Reads the configuration of the provider. What the policy says takes precedence.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn discover(&self, text: &[u8]) -> Result<DiscoveredEndpoints, String> {
        let document: Document = serde_json::from_slice(text)
            .map_err(|_| "the configuration isn't a JSON object with `issuer`")?;
        // "The `issuer` value returned MUST be identical to the Issuer URL" (section 4.3).
        if *document.issuer != *self.issuer {
            return Err(format!(
                "the provider says that its issuer is `{}`: write it so in `issuer`",
                document.issuer.escape_debug()
            ));
        }
        let named = |named: &Option<Uri>, found: Option<String>, name: &str| match (named, found) {
            (Some(uri), _) => Ok(uri.clone()),
            (None, Some(text)) => secure_url(&text, name),
            (None, None) => Err(format!("the configuration has no `{name}`")),
        };
        let end_session = match (&self.end_session, document.end_session_endpoint) {
            (Some(uri), _) => Some(uri.clone()),
            (None, Some(text)) => Some(secure_url(&text, "end_session_endpoint")?),
            (None, None) => None,
        };
        let methods = document.token_endpoint_auth_methods_supported;
        let supports = |method: &str| {
            let methods = methods.as_deref().unwrap_or_default();
            methods.iter().any(|it| it == method)
        };
        Ok(DiscoveredEndpoints {
            authorization: named(
                &self.authorization,
                document.authorization_endpoint,
                "authorization_endpoint",
            )?,
            token: named(&self.token, document.token_endpoint, "token_endpoint")?,
            end_session,
            jwks: named(&None, document.jwks_uri, "jwks_uri")?,
            authentication: if supports("client_secret_post") && !supports("client_secret_basic") {
                ClientAuthentication::Post
            } else {
                ClientAuthentication::Basic
            },
        })
    }
}

/// Reads a URL of a configuration. All of them are `https` (section 3).
fn secure_url(text: &str, name: &str) -> Result<Uri, String> {
    let uri = parse_url(text).map_err(|why| format!("`{name}` of the configuration: {why}"))?;
    if uri.scheme_str() != Some("https") {
        return Err(format!(
            "`{name}` of the configuration isn't an `https` URL"
        ));
    }
    Ok(uri)
}

impl RemoteProvider {
    /// Returns the configuration. `None` until there is one.
    pub fn configuration(&self) -> Option<Arc<ProviderConfiguration>> {
        self.configuration.load_full()
    }

    /// Replaces the configuration. Returns whether the report has changed.
    pub fn set(&self, configuration: ProviderConfiguration) -> bool {
        self.configuration.store(Some(Arc::new(configuration)));
        self.report(None)
    }

    /// Replaces the keys, which a request has fetched because a token has a new one.
    pub fn set_keys(&self, keys: Arc<KeySet>) {
        self.configuration.rcu(|known| {
            let mut next = ProviderConfiguration::clone(known.as_deref()?);
            next.keys.as_mut()?.keys = keys.clone();
            Some(Arc::new(next))
        });
    }

    /// Records that the configuration can't be fetched, or can't be used. The last good one stays in force. Returns whether the report
    /// has changed.
    pub fn fail(&self, why: String) -> bool {
        self.report(Some(why))
    }

    /// Returns why the last fetch failed. `None` if it succeeded, or there was none.
    pub fn failure(&self) -> Arc<Option<String>> {
        self.failure.load_full()
    }

    fn report(&self, failure: Option<String>) -> bool {
        let changed = *self.failure.load_full() != failure;
        self.failure.store(Arc::new(failure));
        changed
    }

    /// Begins a request to the token endpoint, which ends when the result is dropped. `None` if there are too many of its kind.
    pub fn begin_token_request(&self, grant: &Grant<'_>) -> Option<TokenRequestPermit> {
        let requests = match grant {
            Grant::Code { .. } => &self.code_requests,
            Grant::Refresh(_) => &self.refresh_requests,
        };
        let permit = TokenRequestPermit(requests.clone());
        let running = requests.fetch_add(1, Ordering::Relaxed);
        (running < MAX_TOKEN_REQUESTS).then_some(permit)
    }
}

/// A request to a token endpoint that is running.
#[derive(Debug)]
pub struct TokenRequestPermit(Arc<AtomicUsize>);

impl Drop for TokenRequestPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a policy says, as far as it affects requests.
impl fmt::Display for NamedEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.issuer)?;
        for (name, uri) in [
            ("authorization", &self.authorization),
            ("token", &self.token),
            ("end session", &self.end_session),
        ] {
            if let Some(uri) = uri {
                write!(f, ", {name} {uri}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn named() -> NamedEndpoints {
        NamedEndpoints {
            issuer: "https://idp.example/realms/a".into(),
            authorization: None,
            token: None,
            end_session: None,
        }
    }

    fn document() -> Value {
        json!({
            "issuer": "https://idp.example/realms/a",
            "authorization_endpoint": "https://idp.example/auth?x=y",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://keys.example/keys",
        })
    }

    fn discover(named: &NamedEndpoints, document: &Value) -> Result<DiscoveredEndpoints, String> {
        named.discover(document.to_string().as_bytes())
    }

    #[test]
    fn what_the_policy_names_takes_precedence() {
        let found = discover(&named(), &document()).expect("a configuration");
        assert_eq!(found.authorization, "https://idp.example/auth?x=y");
        assert_eq!(
            (found.end_session, found.authentication),
            (None, ClientAuthentication::Basic)
        );
        let mine: Uri = "http://internal/token".parse().expect("a URL");
        let named = NamedEndpoints {
            token: Some(mine.clone()),
            ..named()
        };
        assert_eq!(
            discover(&named, &document())
                .expect("a configuration")
                .token,
            mine
        );
    }

    #[test]
    fn configuration_of_another_issuer_or_without_tls_is_refused() {
        for (name, value, why) in [
            (
                "issuer",
                json!("https://idp.example/realms/a/"),
                "its issuer is",
            ),
            ("issuer", json!(null), "isn't a JSON object"),
            (
                "token_endpoint",
                json!("http://idp.example/token"),
                "isn't an `https` URL",
            ),
            ("jwks_uri", json!("file:///etc/passwd"), "isn't a URL"),
            ("jwks_uri", json!(null), "no `jwks_uri`"),
            ("authorization_endpoint", json!("https://a@b/"), "password"),
        ] {
            let mut document = document();
            document[name] = value;
            let error = discover(&named(), &document).expect_err(name);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn client_authenticates_in_the_form_if_the_provider_supports_only_that() {
        for (methods, expected) in [
            (json!(["client_secret_post"]), ClientAuthentication::Post),
            (
                json!(["client_secret_post", "client_secret_basic"]),
                ClientAuthentication::Basic,
            ),
            (json!(["private_key_jwt"]), ClientAuthentication::Basic),
        ] {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = methods;
            let found = discover(&named(), &document).expect("a configuration");
            assert_eq!(found.authentication, expected);
        }
    }

    #[test]
    fn configuration_is_below_the_issuer() {
        let url = named().configuration_url().expect("a URL");
        assert_eq!(
            url,
            "https://idp.example/realms/a/.well-known/openid-configuration"
        );
    }

    #[test]
    fn concurrent_token_requests_are_limited_and_codes_leave_room_for_renewals() {
        let provider = RemoteProvider::default();
        let code = Grant::Code {
            code: "bogus",
            redirect_uri: "https://www.example.com/",
            verifier: "verifier",
        };
        for (grant, other) in [(&code, &Grant::Refresh("a")), (&Grant::Refresh("a"), &code)] {
            let all: Vec<_> = (0..MAX_TOKEN_REQUESTS)
                .map(|_| provider.begin_token_request(grant))
                .collect();
            assert!(all.iter().all(Option::is_some));
            assert!(provider.begin_token_request(grant).is_none());
            assert!(provider.begin_token_request(other).is_some());
            drop(all);
            assert!(provider.begin_token_request(grant).is_some());
        }
    }
}
