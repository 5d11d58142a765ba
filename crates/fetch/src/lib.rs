//! gatefold's own HTTP requests to issuers: for keys, for the configuration of OpenID providers, and for tokens.
//!
//! In: a place (a URL and the addresses to connect to) and a request. Out: the content of the answer, or why there is none. Each
//! request has a connection of its own, so a request that must not be sent twice, such as one with an authorization code, never
//! meets a connection that has been closed while it was idle. Redirects aren't followed, and time and size are limited.

mod exchange;
mod peer;
pub mod resolver;

pub use exchange::{Answer, ExchangeError};

use exchange::{Content, FetchRequest};
use gatefold_dataplane::issuer_fetch::{FetchLimits, IssuerPlace};
use hickory_resolver::TokioResolver;
use http::{HeaderValue, StatusCode};
use peer::FetchPeer;
use std::fmt;
use std::sync::OnceLock;
use tokio::time::timeout;
use tracing::debug;

/// Sends requests. Its resolver is made for the first name of a host.
#[derive(Default)]
pub struct Fetcher {
    /// `None` if the system's configuration of DNS can't be read.
    resolver: OnceLock<Option<TokioResolver>>,
}

/// What to fetch with a GET.
#[derive(Clone, Copy, Debug)]
pub struct Document<'d> {
    /// Where it is.
    pub place: &'d IssuerPlace,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// The maximum length, in bytes.
    pub max_length: usize,
}

/// A form to send with a POST (RFC 6749, section 3.2).
#[derive(Clone, Copy)]
pub struct Form<'f> {
    /// Where it is sent.
    pub place: &'f IssuerPlace,
    /// The value of `Authorization`. `None` for no such header.
    pub authorization: Option<&'f HeaderValue>,
    /// The fields, encoded.
    pub fields: &'f str,
    /// The maximum length of the answer, in bytes.
    pub max_length: usize,
}

impl Fetcher {
    /// Fetches a document and reads it with `read`. If an address fails, or its answer can't be read, the next one is tried, three at
    /// most. `turn` counts the fetches, so that Services and endpoints take turns. Takes no longer than `limits.total`.
    ///
    /// # Errors
    /// Says why no address has a readable document.
    pub async fn get<T>(
        &self,
        document: Document<'_>,
        limits: FetchLimits,
        turn: usize,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, String> {
        let fetched = timeout(limits.total, self.try_get(document, limits, turn, read)).await;
        fetched.unwrap_or_else(|_| {
            let limit = limits.total;
            Err(format!("the server took longer than {limit:?}"))
        })
    }

    async fn try_get<T>(
        &self,
        document: Document<'_>,
        limits: FetchLimits,
        turn: usize,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, String> {
        let request = FetchRequest {
            uri: &document.place.uri,
            connect: limits.connect,
            max_length: document.max_length,
            content: Content::Nothing {
                accept: document.accept,
            },
        };
        let mut failure = String::new();
        for peer in self.peers(document.place, turn).await? {
            let answer = exchange::send(&request, &peer).await;
            let found = answer.map_err(|error| error.to_string());
            let found = found.and_then(|answer| match answer.status {
                StatusCode::OK => read(&answer.body),
                status => Err(format!("the server answered {status}")),
            });
            match found {
                Ok(found) => return Ok(found),
                Err(why) => {
                    debug!(uri = %request.uri, address = %peer.address, why, "can't fetch a document");
                    failure = why;
                }
            }
        }
        Err(failure)
    }

    /// Sends a form, once. Another address is tried only if no connection can be made, since a server that has read the form may
    /// have acted on it. Takes no longer than `limits.total`.
    ///
    /// # Errors
    /// Says why there is no answer.
    pub async fn post(
        &self,
        form: Form<'_>,
        limits: FetchLimits,
        turn: usize,
    ) -> Result<Answer, String> {
        let posted = timeout(limits.total, self.try_post(form, limits, turn)).await;
        posted.unwrap_or_else(|_| {
            let limit = limits.total;
            Err(format!("the server took longer than {limit:?}"))
        })
    }

    async fn try_post(
        &self,
        form: Form<'_>,
        limits: FetchLimits,
        turn: usize,
    ) -> Result<Answer, String> {
        let request = FetchRequest {
            uri: &form.place.uri,
            connect: limits.connect,
            max_length: form.max_length,
            content: Content::Form {
                authorization: form.authorization,
                fields: form.fields,
            },
        };
        let mut failure = String::new();
        for peer in self.peers(form.place, turn).await? {
            match exchange::send(&request, &peer).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_before_request() => failure = error.to_string(),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(failure)
    }

    async fn peers(&self, place: &IssuerPlace, turn: usize) -> Result<Vec<FetchPeer>, String> {
        let resolver = || self.resolver.get_or_init(resolver::of_system).as_ref();
        peer::choose(place, turn, resolver).await
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

/// Without the fields, which contain secrets.
impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
