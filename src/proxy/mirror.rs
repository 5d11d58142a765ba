//! Copies of requests (`RequestMirror`): sent beside the request, in tasks of their own, waited for by nobody.
//!
//! What they may cost is bounded: so many at a time, so much of a body kept for one that is slower than the backend, so long
//! for all of it. A copy that goes beyond is given up and counted; it is never tried again. A body is either sent whole
//! or broken off.

use super::Counters;
use super::backend_tls;
use super::context::RequestContext;
use super::counters::Mirrored;
use super::peer::{Exchange, Timeouts};
use crate::dataplane::backend::{Endpoints, HttpVersion, Target};
use crate::dataplane::backend_tls::BackendTls;
use crate::dataplane::filter::request_mirror::RequestMirror;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri, Version};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

/// How many copies may be under way.
const IN_FLIGHT: usize = 256;
/// How much of a body may wait for a mirror that is slower than the backend, in bytes. With the number above
/// it bounds the memory: 64 MiB.
const BACKLOG: usize = 256 * 1024;
/// How long a copy may take, its response included.
const LONGEST: Duration = Duration::from_secs(60);
/// A response longer than this isn't read to its end; its connection isn't used again.
const LONGEST_RESPONSE: usize = 256 * 1024;
/// How many idle connections to mirrors are kept.
const IDLE: usize = 128;

/// Sends copies.
#[derive(Clone)]
pub(super) struct Mirrors {
    inner: Arc<Inner>,
}

struct Inner {
    /// Made with the first copy.
    connector: OnceLock<Connector>,
    slots: Arc<Semaphore>,
    timeouts: Timeouts,
    counters: Counters,
}

impl std::fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirrors").finish_non_exhaustive()
    }
}

impl Mirrors {
    pub(super) fn new(timeouts: Timeouts, counters: Counters) -> Self {
        Mirrors {
            inner: Arc::new(Inner {
                connector: OnceLock::new(),
                slots: Arc::new(Semaphore::new(IN_FLIGHT)),
                timeouts,
                counters,
            }),
        }
    }

    /// Begins the copies of a request that is about to go to its backend as `request`; or, when it goes there
    /// again, notes that its body begins anew.
    pub(super) fn begin(
        &self,
        session: &mut Session,
        request: &RequestHeader,
        context: &mut RequestContext,
    ) {
        if let Some(copies) = &mut context.copies {
            copies.position = 0;
            return;
        }
        let of_rule = context.rule.as_ref().map(|rule| &rule.filters.mirrors);
        let of_backend = context.backend().map(|backend| &backend.filters.mirrors);
        let mut mirrors = of_rule.into_iter().chain(of_backend).flatten().peekable();
        // A copy of a WebSocket would be a client that says nothing.
        if mirrors.peek().is_none() || context.upgrade {
            return;
        }
        let bodiless = session.is_body_empty();
        let taken = mirrors.filter(|mirror| mirror.share.takes_next());
        let taps =
            taken.filter_map(|mirror| self.copy(mirror, request, context.identity, bodiless));
        let taps = taps.collect();
        context.copies = Some(Copies {
            taps,
            position: 0,
            copied: 0,
        });
    }

    /// A mirror's endpoint, as the backend's: with the TLS that its policy asks for.
    fn peer(
        &self,
        endpoints: &Endpoints,
        identity: Option<usize>,
    ) -> Result<(Box<HttpPeer>, Secured)> {
        let tls = match endpoints.tls() {
            Some(tls) => Some(tls.of(identity).ok_or_else(|| {
                Error::explain(ErrorType::InternalError, "an unknown client certificate")
            })?),
            None => None,
        };
        let exchange = Exchange::of(endpoints.version, false);
        let endpoint = endpoints.next();
        let mut peer = self.inner.timeouts.peer(endpoint, exchange, tls)?;
        if let Some(tls) = tls {
            backend_tls::defer_names(&mut peer, tls);
        }
        Ok((peer, tls.map(|tls| (tls.clone(), endpoint))))
    }

    /// Begins one copy.
    fn copy(
        &self,
        mirror: &RequestMirror,
        request: &RequestHeader,
        identity: Option<usize>,
        bodiless: bool,
    ) -> Option<Tap> {
        let counters = &self.inner.counters;
        let Target::Endpoints(endpoints) = &mirror.target else {
            counters.mirrored(Mirrored::NoEndpoint);
            return None;
        };
        let Ok(slot) = self.inner.slots.clone().try_acquire_owned() else {
            counters.mirrored(Mirrored::TooMany);
            return None;
        };
        let prepared = self.peer(endpoints, identity).and_then(|(peer, secured)| {
            let header = header(request, endpoints.version, peer.is_tls(), bodiless)?;
            Ok((peer, secured, header))
        });
        let (peer, secured, header) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                debug!(mirror = &*mirror.name, %error, "a request can't be mirrored");
                counters.mirrored(Mirrored::Failed);
                return None;
            }
        };
        let (sender, pieces) = unbounded_channel();
        let overrun = Arc::new(AtomicBool::new(false));
        let copy = Copy {
            name: mirror.name.clone(),
            peer,
            secured,
            header,
            pieces: (!bodiless).then_some(pieces),
            overrun: overrun.clone(),
        };
        let inner = self.inner.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let outcome = copy.send(&inner).await;
            inner.counters.mirrored(outcome);
        });
        (!bodiless).then(|| Tap {
            pieces: Some(sender),
            room: Arc::new(Semaphore::new(BACKLOG)),
            overrun,
        })
    }
}

/// The copies of a request that get its body.
#[derive(Debug)]
pub(super) struct Copies {
    taps: Vec<Tap>,
    /// How much of the body has gone to the backend in the try in hand.
    position: usize,
    /// How much of it the copies have got.
    copied: usize,
}

impl Copies {
    /// Gives them a piece of the body, unless it is one that they have got in a try before.
    pub(super) fn offer(&mut self, piece: Option<&Bytes>, end: bool) {
        if let Some(piece) = piece {
            let known = self.copied.saturating_sub(self.position).min(piece.len());
            self.position += piece.len();
            self.copied = self.copied.max(self.position);
            let new = piece.slice(known..);
            if !new.is_empty() {
                self.taps.iter_mut().for_each(|tap| tap.offer(&new));
            }
        }
        if end {
            self.taps.iter_mut().for_each(Tap::end);
        }
    }
}

/// Where a copy gets its body from.
#[derive(Debug)]
struct Tap {
    /// Gone after the end, or when the copy is given up.
    pieces: Option<UnboundedSender<Piece>>,
    /// A permit a byte.
    room: Arc<Semaphore>,
    overrun: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Piece {
    /// Bytes, with their room, which is free again when they are sent.
    Bytes(Bytes, OwnedSemaphorePermit),
    End,
}

impl Tap {
    fn offer(&mut self, bytes: &Bytes) {
        let Some(pieces) = &self.pieces else {
            return;
        };
        let permits = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match self.room.clone().try_acquire_many_owned(permits) {
            Ok(room) => {
                // Fails when the copy has failed.
                if pieces.send(Piece::Bytes(bytes.clone(), room)).is_err() {
                    self.pieces = None;
                }
            }
            Err(_) => {
                self.overrun.store(true, Ordering::Release);
                self.pieces = None;
            }
        }
    }

    fn end(&mut self) {
        if let Some(pieces) = self.pieces.take() {
            let _ = pieces.send(Piece::End);
        }
    }
}

/// How TLS is spoken to a copy's endpoint; nothing for plain text.
type Secured = Option<(Arc<BackendTls>, SocketAddr)>;

/// One copy of a request.
struct Copy {
    name: Arc<str>,
    peer: Box<HttpPeer>,
    secured: Secured,
    header: RequestHeader,
    pieces: Option<UnboundedReceiver<Piece>>,
    overrun: Arc<AtomicBool>,
}

impl Copy {
    async fn send(mut self, inner: &Inner) -> Mirrored {
        let connector = inner
            .connector
            .get_or_init(|| Connector::new(Some(ConnectorOptions::new(IDLE))));
        match tokio::time::timeout(LONGEST, self.exchange(connector)).await {
            Ok(Ok(())) => Mirrored::Answered,
            Ok(Err(_)) if self.overrun.load(Ordering::Acquire) => Mirrored::TooSlow,
            Ok(Err(error)) => {
                debug!(mirror = &*self.name, endpoint = %self.peer._address, %error, "a mirrored request failed");
                match error.etype() {
                    _ if *error.esource() == ErrorSource::Downstream => Mirrored::Aborted,
                    ErrorType::ReadTimedout | ErrorType::WriteTimedout => Mirrored::TimedOut,
                    ErrorType::ConnectTimedout => Mirrored::TimedOut,
                    _ => Mirrored::Failed,
                }
            }
            Err(_) => Mirrored::TimedOut,
        }
    }

    async fn exchange(&mut self, connector: &Connector) -> Result<()> {
        let (mut session, _) = connector.get_http_session(&*self.peer).await?;
        if let Some((tls, endpoint)) = &self.secured {
            let digest = session.digest();
            backend_tls::check_names(tls, *endpoint, digest, LONGEST).await?;
        }
        let options = &self.peer.options;
        session.set_read_timeout(options.read_timeout);
        session.set_write_timeout(options.write_timeout);
        let header = Box::new(self.header.clone());
        session.write_request_header(header).await?;
        if let Err(error) = self.send_body(&mut session).await {
            session.shutdown().await;
            return Err(error);
        }
        session.finish_request_body().await?;
        if read_response(&mut session).await? {
            let idle = self.peer.options.idle_timeout;
            let release = connector.release_http_session(session, &*self.peer, idle);
            release.await;
        } else {
            session.shutdown().await;
        }
        Ok(())
    }

    /// Sends the body as it comes.
    ///
    /// # Errors
    ///
    /// When the mirror doesn't take it, or when it ends too early: the client is gone, or it was given up.
    async fn send_body(&mut self, session: &mut HttpSession) -> Result<()> {
        let Some(pieces) = &mut self.pieces else {
            return Ok(());
        };
        loop {
            match pieces.recv().await {
                Some(Piece::Bytes(bytes, _room)) => {
                    session.write_request_body(bytes, false).await?;
                }
                Some(Piece::End) => return Ok(()),
                None => return Err(Error::new_down(ErrorType::ConnectionClosed)),
            }
        }
    }
}

/// Reads the response and forgets it. Whether the connection may be used again.
async fn read_response(session: &mut HttpSession) -> Result<bool> {
    loop {
        session.read_response_header().await?;
        let status = session.response_header().map(|response| response.status);
        if !status.is_some_and(|status| status.is_informational()) {
            break;
        }
    }
    let mut left = LONGEST_RESPONSE;
    while let Some(bytes) = session.read_response_body().await? {
        match left.checked_sub(bytes.len()) {
            Some(rest) => left = rest,
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// The header of a copy: the one that the backend gets, in what the mirror speaks.
fn header(
    request: &RequestHeader,
    version: HttpVersion,
    tls: bool,
    bodiless: bool,
) -> Result<RequestHeader> {
    let mut header = request.clone();
    // Nobody waits for the permission.
    header.remove_header(&EXPECT);
    let host = match (request.uri.authority(), request.headers.get(HOST)) {
        (_, Some(host)) => Some(host.clone()),
        (Some(authority), None) => HeaderValue::from_str(authority.as_str()).ok(),
        (None, None) => None,
    };
    let root = PathAndQuery::from_static("/");
    let target = request.uri.path_and_query().cloned().unwrap_or(root);
    match version {
        HttpVersion::Http1 => {
            header.set_version(Version::HTTP_11);
            header.set_uri(Uri::from(target));
            if let Some(host) = host {
                header.insert_header(HOST, host)?;
            }
            header.remove_header(&TRANSFER_ENCODING);
            if !bodiless && !header.headers.contains_key(CONTENT_LENGTH) {
                let chunked = HeaderValue::from_static("chunked");
                header.insert_header(TRANSFER_ENCODING, chunked)?;
            }
        }
        HttpVersion::Http2 => {
            header.set_version(Version::HTTP_2);
            let authority = host.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
            let uri = Uri::builder()
                .scheme(if tls { "https" } else { "http" })
                .authority(authority)
                .path_and_query(target)
                .build();
            header.set_uri(uri.map_err(|error| {
                Error::because(ErrorType::InvalidHTTPHeader, "for HTTP/2", error)
            })?);
            const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
            for name in [&HOST, &CONNECTION, &KEEP_ALIVE, &TE, &TRANSFER_ENCODING] {
                header.remove_header(name);
            }
        }
    }
    Ok(header)
}
