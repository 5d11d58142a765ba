//! Fetches the configuration of an OpenID provider, and its keys.
//!
//! In: where the configuration is. Out: the provider, with both. One without the other isn't put into force, since logins need both.

use super::task::{FetchResult, JWKS_TYPES};
use gatefold_dataplane::backend_tls::{BackendHandshake, BackendTls};
use gatefold_dataplane::filter::security::jwt::key_set::{KeySet, MAX_KEY_SET};
use gatefold_dataplane::filter::security::oidc::provider::{
    MAX_DOCUMENT, ProviderConfiguration, ProviderKeySet,
};
use gatefold_dataplane::issuer_fetch::{IssuerFetch, ProviderFetch};
use gatefold_fetch::{Document, Fetcher};
use http::Uri;
use std::sync::Arc;

/// Fetches what is known of a provider, and puts it into force.
pub(super) async fn fetch(
    fetch: &IssuerFetch,
    target: &ProviderFetch,
    fetcher: &Fetcher,
    turn: usize,
) -> FetchResult {
    let fetched = configuration(fetch, target, fetcher, turn).await;
    let is_success = fetched.is_ok();
    FetchResult {
        is_success,
        has_changed: match fetched {
            Ok(configuration) => target.provider.set(configuration),
            Err(why) => target.provider.fail(why),
        },
    }
}

async fn configuration(
    fetch: &IssuerFetch,
    target: &ProviderFetch,
    fetcher: &Fetcher,
    turn: usize,
) -> Result<ProviderConfiguration, String> {
    let document = Document {
        place: &fetch.place,
        accept: "application/json",
        max_length: MAX_DOCUMENT,
    };
    let read = |text: &[u8]| target.named.discover(text);
    let found = fetcher.get(document, fetch.limits, turn, read).await?;
    let place = |uri: Uri| target.servers.place(uri, prepare);
    let keys = place(found.jwks);
    let document = Document {
        place: &keys,
        accept: JWKS_TYPES,
        max_length: MAX_KEY_SET,
    };
    let read = |text: &[u8]| KeySet::parse(text).map_err(|problem| problem.to_string());
    let fetched = fetcher.get(document, fetch.limits, turn, read).await;
    let (set, _) = fetched.map_err(|why| format!("the keys at {}: {why}", keys.uri))?;
    Ok(ProviderConfiguration {
        authorization: found.authorization,
        token: place(found.token),
        limits: fetch.limits,
        authentication: found.authentication,
        end_session: found.end_session,
        keys: Some(ProviderKeySet {
            place: keys,
            keys: Arc::new(set),
        }),
    })
}

/// The hosts of discovered URLs are known only now, so their TLS can't have been prepared when the manifests were compiled.
fn prepare(handshake: BackendHandshake) -> Option<Arc<BackendTls>> {
    BackendTls::new(handshake).ok().map(Arc::new)
}
