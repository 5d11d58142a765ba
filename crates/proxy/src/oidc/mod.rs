//! Logins, renewals and logouts of the `oidc` filter, while the client's request waits.
//!
//! In: a request without a valid session. Out: the answer that logs its user in or out, or the renewed session, with which the request
//! passes. Requests to the provider have limits for time, size and number; without an answer the request doesn't pass.

mod renewals;
mod tokens;

use crate::context::RequestContext;
use crate::filter::oidc::{AskedOrigin, pass, seconds_now};
use crate::filter::security::set_query;
use crate::response::grpc;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::filter::FilterStep;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::security::oidc::outcome::OidcOutcome;
use gatefold_dataplane::filter::security::oidc::session::OidcSession;
use gatefold_dataplane::filter::security::oidc::token_endpoint::Grant;
use gatefold_dataplane::filter::security::oidc::{OidcFilter, OidcRequest, OidcStep};
use http::HeaderValue;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use renewals::Renewals;
use std::sync::Arc;
use tokens::TokenClient;

/// Completes what the `oidc` filters of a thread can't decide at once.
#[derive(Debug, Default)]
pub(crate) struct OidcClient {
    tokens: Arc<TokenClient>,
    /// Shared by all threads, since a browser's concurrent requests may be on several.
    renewals: Arc<Renewals>,
}

impl OidcClient {
    /// Returns the client of another thread.
    pub(crate) fn for_another_thread(&self) -> Self {
        OidcClient {
            tokens: Arc::new(self.tokens.for_another_thread()),
            renewals: self.renewals.clone(),
        }
    }

    /// Completes the filter on a request.
    ///
    /// # Errors
    /// If the request doesn't pass, and its client isn't redirected.
    pub(crate) async fn complete(
        &self,
        filter: &Arc<OidcFilter>,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<FilterStep, AnswerReason> {
        let header = session.req_header().clone();
        let connection = context.connection.as_ref().ok_or(AnswerReason::Internal)?;
        let asked = AskedOrigin::of(&header, connection, context.client_address)?;
        let request = asked.view(&header);
        let now = seconds_now();
        let (answer, outcome) = match filter.step(&request, now) {
            OidcStep::PassThrough => {
                pass(filter, None, now, session);
                return Ok(FilterStep::Continue);
            }
            OidcStep::Admit(admitted) => {
                pass(filter, Some(&admitted), now, session);
                return Ok(FilterStep::Continue);
            }
            OidcStep::Renew(before) => match self.renew(filter, before, &request).await {
                Some((renewed, cookies)) => {
                    context.client.set_cookies(cookies);
                    pass(filter, Some(&renewed), now, session);
                    return Ok(FilterStep::Continue);
                }
                None => log_in(filter, (&header, &request), now)?,
            },
            OidcStep::LogIn => log_in(filter, (&header, &request), now)?,
            OidcStep::CompleteLogin => {
                // Logs must not show the code.
                set_query(session.req_header_mut(), "")?;
                let answer = self.complete_login(filter, &request, now).await?;
                (answer, OidcOutcome::LoggedIn)
            }
            OidcStep::LogOut(known) => {
                let provider = filter.provider.configuration();
                let answer = filter.logged_out(known.as_ref(), &request, provider.as_deref());
                (
                    answer.ok_or(AnswerReason::Internal)?,
                    OidcOutcome::LoggedOut,
                )
            }
        };
        context.reason = Some(outcome.into());
        Ok(FilterStep::Answer(Box::new(answer)))
    }

    /// Exchanges the code of a login for the tokens of its user.
    async fn complete_login(
        &self,
        filter: &OidcFilter,
        request: &OidcRequest<'_>,
        now: u64,
    ) -> Result<FilterAnswer, OidcOutcome> {
        let completed = filter.complete_login(request, now)?;
        let provider = filter.provider.configuration();
        let provider = provider.ok_or(OidcOutcome::ProviderUnavailable)?;
        let login = &completed.login;
        let grant = Grant::Code {
            code: &completed.code,
            redirect_uri: &login.redirect_uri,
            verifier: &login.verifier,
        };
        let issued = self.tokens.request(filter, &provider, grant).await?;
        let now = seconds_now();
        let validate = |keys: Option<&_>| filter.first_session(&issued, login, keys, now);
        let user = self.tokens.validate(filter, &provider, validate).await?;
        filter.logged_in(&user, login, request.headers, now)
    }

    /// Renews a session, once for all concurrent requests of its browser. Returns the session, and the fields that set its cookies.
    /// `None` if it can't be renewed, so that its user must log in again.
    async fn renew(
        &self,
        filter: &Arc<OidcFilter>,
        before: OidcSession,
        request: &OidcRequest<'_>,
    ) -> Option<(Arc<OidcSession>, Vec<HeaderValue>)> {
        let token = before.refresh_token.clone()?;
        let (client, owner) = (self.tokens.clone(), filter.clone());
        let renewal = async move { renew_session(&client, &owner, &before).await.ok() };
        let renewed = self.renewals.run((&filter.policy, &token), renewal).await?;
        let (now, key) = (seconds_now(), &filter.key);
        let cookies = filter
            .cookies
            .set_session(&renewed, key, request.headers, now);
        Some((renewed, cookies.ok()?))
    }
}

/// Exchanges a refresh token for new tokens.
async fn renew_session(
    client: &TokenClient,
    filter: &OidcFilter,
    before: &OidcSession,
) -> Result<OidcSession, OidcOutcome> {
    let provider = filter.provider.configuration();
    let provider = provider.ok_or(OidcOutcome::ProviderUnavailable)?;
    let token = before.refresh_token.as_deref();
    let grant = Grant::Refresh(token.ok_or(OidcOutcome::LoginRequired)?);
    let issued = client.request(filter, &provider, grant).await?;
    let now = seconds_now();
    let validate = |keys: Option<&_>| filter.renewed_session(&issued, before, keys, now);
    client.validate(filter, &provider, validate).await
}

/// Redirects a client to the provider.
///
/// # Errors
/// If it can't be redirected, or nothing is known of the provider.
fn log_in(
    filter: &OidcFilter,
    (header, request): (&RequestHeader, &OidcRequest<'_>),
    now: u64,
) -> Result<(FilterAnswer, OidcOutcome), AnswerReason> {
    if grpc::is_grpc(header) || filter.denies_redirect(request.headers) {
        return Err(OidcOutcome::LoginRequired.into());
    }
    let provider = filter.provider.configuration();
    let provider = provider.ok_or(OidcOutcome::ProviderUnavailable)?;
    let answer = filter.begin_login(request, &provider, now);
    Ok((
        answer.ok_or(AnswerReason::Internal)?,
        OidcOutcome::LoginRedirect,
    ))
}
