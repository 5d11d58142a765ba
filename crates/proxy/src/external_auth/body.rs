//! Bodies of requests that authorization servers get.
//!
//! In: a request whose body hasn't been read. Out: its whole body, for the question and then for the backend. Pingora forwards a body
//! that has already been read only from its buffer for retries, which has room for 64 KiB, and once for each attempt. So a part of
//! the body is read into this buffer, and the hook for a piece of the body replaces this part by the whole
//! ([`BufferedBody::replace`]). Which part depends on what is known of the end: the last 64 KiB if the client has said the length, or
//! the first piece of an HTTP/2 body. Nothing can be done for a longer one in chunks over HTTP/1.1: such a client must send its length.

use crate::context::RequestContext;
use crate::request::fields::content_length;
use crate::request::limits;
use crate::response::failure;
use crate::response::reason::AnswerReason;
use ::http::header::EXPECT;
use bytes::{Bytes, BytesMut};
use gatefold_dataplane::filter::external_auth::AuthSettings;
use pingora_core::protocols::http::ServerSession as HttpSession;
use pingora_core::{Error, Result};
use pingora_proxy::Session;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Maximum memory for the bodies of all requests, in bytes.
const ROOM: usize = 64 * 1024 * 1024;
/// The size of Pingora's buffer for retries.
const RETRY_BUFFER: u64 = 64 * 1024;

/// Memory for bodies, which all threads share.
#[derive(Clone)]
pub(super) struct BodyRoom(Arc<Semaphore>);

/// The whole body of a request.
#[derive(Debug)]
pub(crate) struct BufferedBody {
    bytes: Bytes,
    /// `None` for an empty body.
    _room: Option<OwnedSemaphorePermit>,
}

impl Default for BodyRoom {
    fn default() -> Self {
        BodyRoom(Arc::new(Semaphore::new(ROOM)))
    }
}

impl BufferedBody {
    /// Replaces the part of the body that Pingora has kept, which it passes on once for each attempt, by the whole.
    pub(crate) fn replace(&self, part: &mut Option<Bytes>) {
        if part.is_some() {
            *part = Some(self.bytes.clone());
        }
    }
}

impl RequestContext {
    /// Returns the body for an authorization server. `None` if it gets none.
    pub(super) fn body_for(&self, settings: &AuthSettings) -> Option<Bytes> {
        settings.body_limit?;
        Some(self.body.as_ref()?.bytes.clone())
    }
}

/// Reads the body of a request, unless another filter has. `patience` is the time limit for each piece.
///
/// # Errors
/// If it is longer than `limit`, or can't be read or kept.
pub(super) async fn read(
    limit: usize,
    session: &mut Session,
    context: &mut RequestContext,
    (room, patience): (&BodyRoom, Duration),
) -> Result<(), AnswerReason> {
    if let Some(known) = &context.body {
        return fits(known.bytes.len(), limit);
    }
    let length = content_length(&session.req_header().headers);
    let said = length.map_or(Ok(0), usize::try_from);
    fits(said.unwrap_or(usize::MAX), limit)?;
    ask_for_body(session).await.map_err(client_error)?;
    let mut bytes = BytesMut::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    while !session.is_body_done() {
        let read = bytes.len() as u64;
        if length
            .is_none_or(|length| is_http2(session) || length - read.min(length) <= RETRY_BUFFER)
        {
            session.enable_retry_buffering();
        }
        let piece = timeout(patience, next_piece(session, read)).await;
        let piece = piece.map_err(|_| AnswerReason::RequestTimeout)?;
        let Some(piece) = piece.map_err(client_error)? else {
            break;
        };
        fits(bytes.len().saturating_add(piece.len()), limit)?;
        if let Some(limits) = context.body_limits {
            limits::check(session, limits).map_err(client_error)?;
        }
        room.add(piece.len(), &mut held)?;
        bytes.extend_from_slice(&piece);
    }
    if !bytes.is_empty() && session.get_retry_buffer().is_none() {
        return Err(AnswerReason::LengthRequired);
    }
    context.body = Some(BufferedBody {
        bytes: bytes.freeze(),
        _room: held,
    });
    Ok(())
}

fn fits(length: usize, limit: usize) -> Result<(), AnswerReason> {
    if length > limit {
        return Err(AnswerReason::BodyTooLarge);
    }
    Ok(())
}

/// Tells a client that waits for it to send the body. The backend isn't asked, since the body has been read by then.
async fn ask_for_body(session: &mut Session) -> Result<()> {
    if !session.req_header().headers.contains_key(EXPECT) {
        return Ok(());
    }
    session.req_header_mut().remove_header(&EXPECT);
    if session.is_body_done() {
        return Ok(());
    }
    session.write_continue_response().await
}

fn is_http2(session: &Session) -> bool {
    session.as_http2().is_some()
}

/// Reads the next piece. Of an HTTP/2 body, only what comes first goes into Pingora's buffer.
async fn next_piece(session: &mut Session, read: u64) -> Result<Option<Bytes>> {
    match &mut *session.downstream_session {
        HttpSession::H2(stream) if read > 0 => {
            let piece = poll_fn(|task| stream.poll_read_body_bytes(task)).await;
            piece.transpose().map_err(|error| {
                let what = "reading the body of a request";
                Error::because(pingora_core::ErrorType::ReadError, what, error)
            })
        }
        HttpSession::H1(_)
        | HttpSession::H2(_)
        | HttpSession::Subrequest(_)
        | HttpSession::Custom(_) => session.read_request_body().await,
    }
}

/// Returns the answer for an error of the client. One that is gone gets none.
fn client_error(error: Box<Error>) -> AnswerReason {
    failure::reason(&error.into_down()).unwrap_or(AnswerReason::MalformedBody)
}

impl BodyRoom {
    /// Takes room for a piece.
    fn add(
        &self,
        length: usize,
        held: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), AnswerReason> {
        let permits = u32::try_from(length).unwrap_or(u32::MAX);
        let more = self.0.clone().try_acquire_many_owned(permits);
        let more = more.map_err(|_| AnswerReason::NoRoomForBody)?;
        match held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_a_bounded_room_and_return_it() {
        let room = BodyRoom::default();
        let mut held = None;
        for _ in 0..ROOM / (1 << 20) {
            assert_eq!(room.add(1 << 20, &mut held), Ok(()));
        }
        let mut other = None;
        let full = Err(AnswerReason::NoRoomForBody);
        assert_eq!(room.add(1, &mut other), full);
        drop(held);
        assert_eq!(room.add(ROOM, &mut other), Ok(()));
    }
}
