//! Handing a long body to an HTTP/1.1 endpoint that may stop taking it.
//!
//! While Pingora writes a piece of a body it looks at nothing else: not at a response that the endpoint has sent instead of
//! reading on, and not at a client that gives up. So the hook for a piece of a body waits here until the connection has
//! room for it, and looks at both. A response that Pingora doesn't read, as it is in a write, ends that write if it is an
//! error: Pingora then reads and relays it (docs/decisions/early-responses.md).

use super::context::RequestContext;
use super::deadline::Watched;
use super::early::{Early, early};
use super::peer::{Timeouts, UNACKNOWLEDGED};
use bytes::Bytes;
use gatefold_dataplane::backend::{Endpoints, HttpVersion};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::AsFd;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tracing::debug;

/// What any connection takes at once: the first window of TCP is 64 KiB. Shorter bodies cost nothing here.
const SHORT: u64 = 32 * 1024;
/// How often to look whether an HTTP/1 client is still there.
const CLIENT_CHECK: Duration = Duration::from_millis(250);
/// How long Pingora gets to read what has arrived, before it counts as being in a write.
const READ_GRACE: Duration = Duration::from_millis(5);

/// More pieces than the channel between Pingora's two halves holds (4). While it is full, Pingora reads no body from the client,
/// only responses from the channel.
const PIPE: u8 = 8;

/// How much of a request's body has been handed to its endpoint, and what has come back.
#[derive(Debug, Default)]
pub(super) struct Upload {
    handed: u64,
    response: Response,
    /// Another descriptor of the connection, which tells of changes on it.
    changes: Option<Box<TcpStream>>,
    /// Whether something has arrived on it, and no hook has been called for it yet.
    arrived: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Response {
    /// Nothing has come.
    #[default]
    Awaited,
    /// Pingora has read something, and hands it on if it is a response. So many more pieces of the body don't wait: at the latest
    /// after them Pingora turns to the response.
    Arrived(u8),
    /// An endpoint may take the rest of the body beside its response.
    Begun,
    /// An error has come: the rest of the body is only sent while it is taken.
    Failed,
    /// Nothing more is sent, since the endpoint took no more.
    Ended,
}

impl Upload {
    /// Notes the status of a response that Pingora has read. Pingora may be in a write again already.
    pub(super) fn answered(&mut self, status: StatusCode, held: Option<&Watched>) {
        if self.response == Response::Ended {
            return;
        }
        self.arrived = false;
        if let Some(changes) = &self.changes {
            clear(changes);
        }
        self.response = match status.as_u16() {
            100..=199 => Response::Awaited,
            400.. => Response::Failed,
            _ => Response::Begun,
        };
        if let Some(held) = held
            && self.response == Response::Failed
            && self.handed > SHORT
            && !has_room(held)
        {
            self.end_writing(held);
        }
    }

    fn end_writing(&mut self, held: &Watched) {
        debug!("the endpoint takes no more of a body");
        self.response = Response::Ended;
        held.end_writing();
    }

    /// Whether the client has sent any of the body.
    pub(super) fn has_begun(&self) -> bool {
        self.handed > 0
    }

    /// Whether the endpoint has answered with an error, so that the rest of the body is of no use.
    pub(super) fn is_unwanted(&self) -> bool {
        matches!(self.response, Response::Failed | Response::Ended)
    }

    /// The response has come whole: leaves the connection as other requests need it.
    pub(super) fn end(&self, held: &Watched) {
        if self.handed > SHORT {
            set_unacknowledged(held, Some(UNACKNOWLEDGED));
        }
    }
}

/// Watches the connection of a request whose body may be long, before anything is sent over it: whether Pingora has read a
/// response can't be seen afterwards.
pub(super) fn prepare(session: &mut Session, context: &mut RequestContext) {
    let may_be_long = |session: &Session| length(session).is_none_or(|length| length > SHORT);
    if !session.is_body_done() && is_watched(context) && may_be_long(session) {
        watch(context);
    }
}

/// Notes a piece of a body. Whether to wait for room before it is handed on: only if the body is long, and the endpoint
/// speaks HTTP/1.1.
pub(super) fn must_wait(context: &mut RequestContext, piece: Option<&Bytes>) -> bool {
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
        // It was no response, but for example a ticket of a TLS session.
        Response::Arrived(0) => (Response::Awaited, true),
        Response::Arrived(left) => (Response::Arrived(left - 1), false),
        response @ (Response::Awaited | Response::Failed) => (response, true),
        response @ (Response::Begun | Response::Ended) => (response, false),
    };
    context.upload.response = response;
    waits
}

/// Whether the request is sent in HTTP/1.1, over a connection that can be watched.
fn is_watched(context: &RequestContext) -> bool {
    let http1 = |endpoints: &Endpoints| endpoints.version == HttpVersion::Http1;
    !context.upgrade && context.held.is_some() && context.endpoints().is_some_and(http1)
}

/// Resets the connection to the endpoint of a long body whose client has given it up. Closed in order, it would stay until the
/// endpoint has read all that was sent.
pub(super) fn give_up(context: &RequestContext) {
    if let Some(held) = &context.held
        && context.upload.handed > SHORT
        && is_watched(context)
    {
        held.reset();
    }
}

/// Prepares the connections of a body that turns out to be long.
fn begin(context: &mut RequestContext) {
    if context.upload.changes.is_none() {
        watch(context);
    }
    if let Some(held) = &context.held {
        // An endpoint may leave a long body unread for as long as its time limits allow.
        set_unacknowledged(held, None);
    }
    if let Some(connection) = &context.connection {
        connection.want_descriptor();
    }
}

fn watch(context: &mut RequestContext) {
    let changes = context.held.as_deref().map(changes_of).transpose();
    match changes {
        Ok(changes) => context.upload.changes = changes.map(Box::new),
        Err(error) => debug!(%error, "can't watch a connection to an endpoint"),
    }
}

/// Waits until the connection to the endpoint has room for the next piece of the body, or until there is no point in it.
///
/// # Errors
///
/// If the client has left.
pub(super) async fn wait_for_room(
    session: &mut Session,
    context: &mut RequestContext,
    timeouts: Timeouts,
) -> Result<()> {
    // Pingora writes the piece before, so that the connection shows what it has room for.
    let mut yielded = false;
    poll_fn(|task| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    let Some(held) = context.held.clone() else {
        return Ok(());
    };
    if has_room(&held) {
        return Ok(());
    }
    if context.upload.response == Response::Failed {
        context.upload.end_writing(&held);
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
    let end = wait(session, context, &held, &changes, patience).await;
    context.upload.changes = Some(changes);
    match end {
        Wait::Room => Ok(()),
        Wait::Arrived => {
            context.upload.response = Response::Arrived(PIPE);
            Ok(())
        }
        Wait::EndWriting => {
            context.upload.end_writing(&held);
            Ok(())
        }
        Wait::FullDuplex => {
            context.upload.response = Response::Begun;
            Ok(())
        }
        Wait::ClientLeft => {
            let what = "the client gave its request up";
            Err(Error::explain(ErrorType::ConnectionClosed, what).into_down())
        }
    }
}

/// How a wait for room ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Room,
    /// Pingora has read something, which it hands on after this hook's end.
    Arrived,
    /// The endpoint doesn't want the rest, or takes too long.
    EndWriting,
    /// The endpoint responds while it reads.
    FullDuplex,
    ClientLeft,
}

async fn wait(
    session: &mut Session,
    context: &mut RequestContext,
    held: &Watched,
    changes: &TcpStream,
    patience: Option<Duration>,
) -> Wait {
    let until = patience.and_then(|patience| Instant::now().checked_add(patience));
    let tls = matches!(context.tls(), Ok(Some(_)));
    loop {
        if has_room(held) {
            return Wait::Room;
        }
        if context.upload.arrived && !held.has_unread() {
            context.upload.arrived = false;
            return Wait::Arrived;
        }
        if held.has_unread() {
            tokio::time::sleep(READ_GRACE).await;
            // What is read over TLS can't be seen here.
            if tls || !held.has_unread() {
                return Wait::Arrived;
            }
            match peek(held) {
                Early::Error | Early::End => return Wait::EndWriting,
                Early::Other => return Wait::FullDuplex,
                Early::Incomplete => {}
            }
        }
        let connection = context.connection.as_ref();
        let missing = missing(session, context.upload.handed);
        if connection.is_some_and(|connection| connection.has_left(missing)) {
            return Wait::ClientLeft;
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Wait::EndWriting;
        }
        let check = tokio::time::sleep(CLIENT_CHECK);
        tokio::select! {
            arrived = change(changes, held) => context.upload.arrived |= arrived,
            () = left(session) => return Wait::ClientLeft,
            () = check => {}
        }
    }
}

/// How many bytes of a body the client has yet to send; `None` if its length isn't known. Pieces that wait here count as
/// handed on.
fn missing(session: &Session, handed: u64) -> Option<u64> {
    length(session)?.checked_sub(handed)
}

fn length(session: &Session) -> Option<u64> {
    let length = session.req_header().headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Waits until an HTTP/2 client resets its stream.
async fn left(session: &mut Session) {
    match session.downstream_session.watch_h2_stream_close() {
        // Whatever it says: the stream is over.
        Some(close) => drop(close.await),
        None => pending().await,
    }
}

/// Waits for a change on the connection to the endpoint. Returns whether something has arrived, even if Pingora has read it
/// already. While something that has arrived is unread, only room counts as a change.
async fn change(changes: &TcpStream, held: &Watched) -> bool {
    let interest = match held.has_unread() {
        true => Interest::WRITABLE,
        false => Interest::READABLE | Interest::WRITABLE,
    };
    let Ok(ready) = changes.ready(interest).await else {
        return pending().await;
    };
    clear(changes);
    ready.is_readable()
}

/// Lets only what changes from here on count. Tokio 1.54 ignores a call for both directions at once.
fn clear(changes: &TcpStream) {
    for direction in [Interest::READABLE, Interest::WRITABLE] {
        let _ = changes.try_io(direction, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}

fn changes_of(held: &Watched) -> io::Result<TcpStream> {
    let descriptor = held.as_fd().try_clone_to_owned()?;
    TcpStream::from_std(descriptor.into())
}

/// Whether a write to the endpoint would return at once, with an error at worst.
fn has_room(held: &Watched) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::new(held, PollFlags::OUT)];
    poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Looks at what the endpoint has sent, and leaves it there.
fn peek(held: &Watched) -> Early {
    let mut seen = [0; 1024];
    match recv(held, &mut seen, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Early::End,
        Ok((_, length)) => early(seen.get(..length).unwrap_or_default()),
        Err(rustix::io::Errno::AGAIN) => Early::Incomplete,
        // Pingora's write or read tells more.
        Err(_) => Early::End,
    }
}

/// How long the endpoint's host may leave unacknowledged what is sent, or not read it; `None` without a limit.
fn set_unacknowledged(held: &Watched, limit: Option<Duration>) {
    if let Err(error) = SockRef::from(held).set_tcp_user_timeout(limit) {
        debug!(%error, "can't set the time limit of a connection to an endpoint");
    }
}
