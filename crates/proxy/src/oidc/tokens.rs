//! Requests to token endpoints.
//!
//! In: a code or a refresh token. Out: the tokens, validated with the keys of the provider.

use gatefold_dataplane::filter::security::jwt::key_set::{KeySet, MAX_KEY_SET};
use gatefold_dataplane::filter::security::oidc::OidcFilter;
use gatefold_dataplane::filter::security::oidc::id_token::IdTokenProblem;
use gatefold_dataplane::filter::security::oidc::issued::TokenProblem;
use gatefold_dataplane::filter::security::oidc::outcome::OidcOutcome;
use gatefold_dataplane::filter::security::oidc::provider::ProviderConfiguration;
use gatefold_dataplane::filter::security::oidc::token_endpoint::{
    Grant, MAX_ANSWER, TokenResponse,
};
use gatefold_fetch::{Document, Fetcher, Form};
use gatefold_listen::log_throttle::LogThrottle;
use http::StatusCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::{debug, warn};

/// Asks the token endpoints of providers.
#[derive(Debug, Default)]
pub(super) struct TokenClient {
    fetcher: Fetcher,
    /// Counts the requests, so that Services and endpoints take turns.
    turn: AtomicUsize,
    /// Only used after a failure.
    throttle: Arc<Mutex<LogThrottle>>,
}

impl TokenClient {
    /// Returns the client of another thread.
    pub(super) fn for_another_thread(&self) -> Self {
        TokenClient {
            throttle: self.throttle.clone(),
            ..TokenClient::default()
        }
    }

    /// Asks for tokens, once.
    ///
    /// # Errors
    /// If there are none.
    pub(super) async fn request(
        &self,
        filter: &OidcFilter,
        provider: &ProviderConfiguration,
        grant: Grant<'_>,
    ) -> Result<TokenResponse, OidcOutcome> {
        let failed = |outcome: OidcOutcome, why: &str| {
            self.log(filter, why);
            outcome
        };
        let permit = filter.provider.begin_token_request(&grant);
        let permit = permit.ok_or_else(|| {
            let why = "too many requests wait for its token endpoint";
            failed(OidcOutcome::ProviderUnavailable, why)
        })?;
        let request = filter.client.request(grant, provider.authentication);
        let form = Form {
            place: &provider.token,
            authorization: request.authorization.as_ref(),
            fields: &request.fields,
            max_length: MAX_ANSWER,
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let answer = self.fetcher.post(form, provider.limits, turn).await;
        drop(permit);
        let answer = answer.map_err(|why| failed(OidcOutcome::ProviderUnavailable, &why))?;
        match answer.status {
            StatusCode::OK => TokenResponse::parse(&answer.body)
                .map_err(|why| failed(OidcOutcome::InvalidTokens, why)),
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                let error = TokenResponse::error(&answer.body);
                let error = error.as_deref().unwrap_or("no error code");
                let why = format!("the token endpoint answered {status} ({error})");
                Err(failed(OidcOutcome::LoginFailed, &why))
            }
            status => {
                let why = format!("the token endpoint answered {status}");
                Err(failed(OidcOutcome::ProviderUnavailable, &why))
            }
        }
    }

    /// Validates tokens with the keys of the provider. If a token has a new key, the keys are fetched again first.
    ///
    /// # Errors
    /// If they aren't valid.
    pub(super) async fn validate<T>(
        &self,
        filter: &OidcFilter,
        provider: &ProviderConfiguration,
        validate: impl Fn(Option<&KeySet>) -> Result<T, TokenProblem>,
    ) -> Result<T, OidcOutcome> {
        let known = provider.keys.as_ref();
        let mut validated = validate(known.map(|it| &*it.keys));
        if let (Err(TokenProblem::IdToken(IdTokenProblem::UnknownKey)), Some(known)) =
            (&validated, known)
        {
            let document = Document {
                place: &known.place,
                accept: "application/jwk-set+json, application/json",
                max_length: MAX_KEY_SET,
            };
            let read = |text: &[u8]| KeySet::parse(text).map_err(|problem| problem.to_string());
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            match self
                .fetcher
                .get(document, provider.limits, turn, read)
                .await
            {
                Ok((keys, _)) => {
                    let keys = Arc::new(keys);
                    validated = validate(Some(&keys));
                    filter.provider.set_keys(keys);
                }
                Err(why) => debug!(issuer = &*filter.issuer, why, "can't fetch keys"),
            }
        }
        validated.map_err(|problem| {
            self.log(filter, &problem.to_string());
            OidcOutcome::InvalidTokens
        })
    }

    /// Logs a failure, without any token or code.
    fn log(&self, filter: &OidcFilter, why: &str) {
        let (policy, issuer) = (&*filter.policy, &*filter.issuer);
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if throttle.is_due() {
            warn!(policy, issuer, why, "an OpenID provider issued no tokens");
        } else {
            debug!(policy, issuer, why, "an OpenID provider issued no tokens");
        }
    }
}
