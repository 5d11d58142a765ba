//! Sends a long body to an HTTP/1.1 endpoint that may stop reading it.
//!
//! While Pingora writes a piece of a body, it checks nothing else: neither a response that the endpoint has sent early, nor
//! whether the client has left. So the hook for a piece of a body waits until the connection has room for it, and checks
//! both. If an early error response arrives while Pingora is in a write, that write is ended: Pingora then reads and relays
//! the response (docs/decisions/early-responses.md).

pub(crate) mod progress;

use crate::context::RequestContext;
use crate::request::early_response::{Early, early};
use crate::request::fields::content_length;
use crate::upstream::deadline::EndpointConnection;
use crate::upstream::peer::Timeouts;
use bytes::Bytes;
use gatefold_dataplane::backend::{EndpointSet, HttpVersion};
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use progress::{Response, SHORT, clear, set_unacknowledged};
use rustix::net::{RecvFlags, recv};
use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::AsFd;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tracing::debug;

/// How often to check whether an HTTP/1 client is still connected.
const CLIENT_CHECK: Duration = Duration::from_millis(250);
/// How long to wait for Pingora to read what has arrived, before assuming that it is in a write.
const READ_GRACE: Duration = Duration::from_millis(5);

/// More pieces than the channel between Pingora's two halves holds (4). While the channel is full, Pingora reads only responses,
/// no body from the client.
const PIPE: u8 = 8;

/// Registers the connection of a request with a possibly long body before anything is sent, since afterwards it can't be seen
/// whether Pingora has read a response.
pub(crate) fn prepare(session: &mut Session, context: &mut RequestContext) {
    let may_be_long = |session: &Session| {
        content_length(&session.req_header().headers).is_none_or(|length| length > SHORT)
    };
    if !session.is_body_done() && is_watched(context) && may_be_long(session) {
        watch(context);
    }
}

/// Counts a piece of a body. Returns whether to wait for room before it is passed on: only if the body is long and the endpoint
/// speaks HTTP/1.1.
pub(crate) fn must_wait(context: &mut RequestContext, piece: Option<&Bytes>) -> bool {
    let before = context.upload.handed;
    let length = piece.map_or(0, |piece| piece.len() as u64);
    context.upload.handed = before.saturating_add(length);
    if context.upload.handed <= SHORT || !is_watched(context) {
        return false;
    }
    if before <= SHORT {
        begin(context);
    }
    let (response, waits) = match context.upload.response {
        // It was not a response, but for example a TLS session ticket.
        Response::Arrived(0) => (Response::Awaited, true),
        Response::Arrived(left) => (Response::Arrived(left - 1), false),
        response @ (Response::Awaited | Response::Failed) => (response, true),
        response @ (Response::Begun | Response::Ended) => (response, false),
    };
    context.upload.response = response;
    waits
}

/// Whether the request is sent over HTTP/1.1 and its connection can be watched.
fn is_watched(context: &RequestContext) -> bool {
    let http1 = |endpoints: &EndpointSet| endpoints.version == HttpVersion::Http1;
    !context.upgrade && context.upstream.is_some() && context.endpoints().is_some_and(http1)
}

/// Resets the connection to the endpoint if the client has abandoned a long body. Closed gracefully, it would stay open until
/// the endpoint has read everything that was sent.
pub(crate) fn abort(context: &RequestContext) {
    if let Some(upstream) = &context.upstream
        && context.upload.handed > SHORT
        && is_watched(context)
    {
        upstream.reset();
    }
}

/// Prepares the connections of a body that turns out to be long.
fn begin(context: &mut RequestContext) {
    if context.upload.changes.is_none() {
        watch(context);
    }
    if let Some(upstream) = &context.upstream {
        // Within its time limits, an endpoint may leave a long body unread.
        set_unacknowledged(upstream, None);
    }
    if let Some(connection) = &context.connection {
        connection.want_descriptor();
    }
}

fn watch(context: &mut RequestContext) {
    let changes = context.upstream.as_deref().map(changes_of).transpose();
    match changes {
        Ok(changes) => context.upload.changes = changes.map(Box::new),
        Err(error) => debug!(%error, "can't watch a connection to an endpoint"),
    }
}

/// Waits until the connection to the endpoint has room for the next piece of the body, or waiting has become pointless.
///
/// # Errors
/// If the client has left.
pub(crate) async fn wait_for_room(
    session: &mut Session,
    context: &mut RequestContext,
    timeouts: Timeouts,
) -> Result<()> {
    let_pingora_write().await;
    let Some(upstream) = context.upstream.clone() else {
        return Ok(());
    };
    if upstream.is_writable() {
        return Ok(());
    }
    if context.upload.response == Response::Failed {
        context.upload.end_writing(&upstream);
        return Ok(());
    }
    let Some(changes) = context.upload.changes.take() else {
        return Ok(());
    };
    let unset = |context: &RequestContext| {
        let rule = context.rule.as_ref();
        rule.is_none_or(|rule| rule.timeouts.is_unset())
    };
    let patience = unset(context).then_some(timeouts.upstream_write);
    let end = wait(session, context, &upstream, &changes, patience).await;
    context.upload.changes = Some(changes);
    match end {
        RoomWait::Room => {}
        RoomWait::Arrived => context.upload.response = Response::Arrived(PIPE),
        RoomWait::EndWriting => context.upload.end_writing(&upstream),
        RoomWait::FullDuplex => context.upload.response = Response::Begun,
        RoomWait::ClientLeft => {
            let what = "the client abandoned its request";
            return Err(Error::explain(ErrorType::ConnectionClosed, what).into_down());
        }
    }
    Ok(())
}

/// Yields once. Pingora then writes the previous piece, so that the room left on the connection is up to date.
async fn let_pingora_write() {
    let mut yielded = false;
    poll_fn(|task| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How a wait for room ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RoomWait {
    Room,
    /// Pingora has read something and processes it after this hook.
    Arrived,
    /// The endpoint doesn't need the rest, or takes too long.
    EndWriting,
    /// The endpoint responds while it reads.
    FullDuplex,
    ClientLeft,
}

async fn wait(
    session: &mut Session,
    context: &mut RequestContext,
    upstream: &EndpointConnection,
    changes: &TcpStream,
    patience: Option<Duration>,
) -> RoomWait {
    let until = patience.and_then(|patience| Instant::now().checked_add(patience));
    let tls = matches!(context.tls(), Ok(Some(_)));
    loop {
        if upstream.is_writable() {
            return RoomWait::Room;
        }
        if context.upload.arrived && !upstream.has_unread() {
            context.upload.arrived = false;
            return RoomWait::Arrived;
        }
        if upstream.has_unread() {
            tokio::time::sleep(READ_GRACE).await;
            // Over TLS, read data can't be examined here.
            if tls || !upstream.has_unread() {
                return RoomWait::Arrived;
            }
            match peek(upstream) {
                Early::Error | Early::End => return RoomWait::EndWriting,
                Early::Other => return RoomWait::FullDuplex,
                Early::Incomplete => {}
            }
        }
        let connection = context.connection.as_ref();
        let missing = missing(session, context.upload.handed);
        if connection.is_some_and(|connection| connection.has_left(missing)) {
            return RoomWait::ClientLeft;
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return RoomWait::EndWriting;
        }
        let check = tokio::time::sleep(CLIENT_CHECK);
        tokio::select! {
            arrived = change(changes, upstream) => context.upload.arrived |= arrived,
            () = left(session) => return RoomWait::ClientLeft,
            () = check => {}
        }
    }
}

/// Returns the number of bytes of a body that the client has yet to send. `None` if its length is unknown. Pieces that wait here
/// count as passed on.
fn missing(session: &Session, handed: u64) -> Option<u64> {
    content_length(&session.req_header().headers)?.checked_sub(handed)
}

/// Waits until an HTTP/2 client resets its stream.
async fn left(session: &mut Session) {
    match session.downstream_session.watch_h2_stream_close() {
        // Whatever the result, the stream has ended.
        Some(close) => drop(close.await),
        None => pending().await,
    }
}

/// Waits for a change on the connection to the endpoint. Returns whether data has arrived, even if Pingora has already read it.
/// While unread data is present, only room counts as a change.
async fn change(changes: &TcpStream, upstream: &EndpointConnection) -> bool {
    let interest = if upstream.has_unread() {
        Interest::WRITABLE
    } else {
        Interest::READABLE | Interest::WRITABLE
    };
    let Ok(ready) = changes.ready(interest).await else {
        return pending().await;
    };
    clear(changes);
    ready.is_readable()
}

fn changes_of(upstream: &EndpointConnection) -> io::Result<TcpStream> {
    let descriptor = upstream.as_fd().try_clone_to_owned()?;
    TcpStream::from_std(descriptor.into())
}

/// Examines what the endpoint has sent without consuming it.
fn peek(upstream: &EndpointConnection) -> Early {
    let mut seen = [0; 1024];
    match recv(upstream, &mut seen, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Early::End,
        Ok((_, length)) => early(seen.get(..length).unwrap_or_default()),
        Err(rustix::io::Errno::AGAIN) => Early::Incomplete,
        // Pingora's own read or write returns the error.
        Err(_) => Early::End,
    }
}
