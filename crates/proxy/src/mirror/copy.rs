//! One copy of a request, from connecting to the end of the response.

use super::body::Piece;
use crate::counters::Mirrored;
use crate::upstream::side_request::{self, PeerTls};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::RequestHeader;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

/// Maximum duration of a copy, including its response.
const LONGEST: Duration = Duration::from_secs(60);
/// Maximum length of a response that is read to its end. A longer one closes the connection.
const LONGEST_RESPONSE: usize = 256 * 1024;

/// One copy of a request.
pub(super) struct MirrorCopy {
    pub(super) name: Arc<str>,
    pub(super) peer: Box<HttpPeer>,
    /// `None` for plain text.
    pub(super) secured: Option<PeerTls>,
    pub(super) header: RequestHeader,
    pub(super) pieces: Option<UnboundedReceiver<Piece>>,
    pub(super) overrun: Arc<AtomicBool>,
}

impl MirrorCopy {
    /// Sends the copy and returns its outcome.
    pub(super) async fn send(mut self, connector: &Connector) -> Mirrored {
        let until = Instant::now() + LONGEST;
        let connected = timeout_at(until, self.connect(connector)).await;
        let sent = match connected {
            Ok(Ok(mut session)) => {
                let sent = timeout_at(until, self.exchange(&mut session)).await;
                let complete = matches!(sent, Ok(Ok(Completion::Complete)));
                side_request::release(connector, session, &self.peer, complete).await;
                sent.map(|sent| sent.map(|_| ()))
            }
            Ok(Err(error)) => Ok(Err(error)),
            Err(late) => Err(late),
        };
        match sent {
            Ok(Ok(())) => Mirrored::Answered,
            Ok(Err(_)) if self.overrun.load(Ordering::Acquire) => Mirrored::TooSlow,
            Ok(Err(error)) => {
                debug!(mirror = &*self.name, endpoint = %self.peer._address, %error, "a mirrored request failed");
                outcome(&error)
            }
            Err(_) => Mirrored::TimedOut,
        }
    }

    async fn connect(&self, connector: &Connector) -> Result<HttpSession> {
        let (session, _) = connector.get_http_session(&*self.peer).await?;
        Ok(session)
    }

    async fn exchange(&mut self, session: &mut HttpSession) -> Result<Completion> {
        if let Some(tls) = &self.secured {
            tls.check(session, LONGEST).await?;
        }
        side_request::begin(session, &self.peer, self.header.clone()).await?;
        self.send_body(session).await?;
        session.finish_request_body().await?;
        read_response(session).await
    }

    /// Sends the body as it arrives.
    ///
    /// # Errors
    /// If the mirror doesn't read it, or if it ends early, because the client is gone or the copy was aborted.
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

fn outcome(error: &Error) -> Mirrored {
    use ErrorType::{ConnectTimedout, ReadTimedout, WriteTimedout};
    match error.etype() {
        _ if *error.esource() == ErrorSource::Downstream => Mirrored::Aborted,
        ReadTimedout | WriteTimedout | ConnectTimedout => Mirrored::TimedOut,
        _ => Mirrored::Failed,
    }
}

/// Whether a connection can be reused after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completion {
    /// The response was read to its end.
    Complete,
    /// The response continues.
    Incomplete,
}

/// Reads a response and discards it.
async fn read_response(session: &mut HttpSession) -> Result<Completion> {
    side_request::read_final_header(session).await?;
    let mut left = LONGEST_RESPONSE;
    while let Some(bytes) = session.read_response_body().await? {
        match left.checked_sub(bytes.len()) {
            Some(rest) => left = rest,
            None => return Ok(Completion::Incomplete),
        }
    }
    Ok(Completion::Complete)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::peer::{Exchange, Timeouts};
    use bytes::Bytes;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    #[tokio::test]
    async fn mirror_that_stopped_reading_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let peer = Timeouts::default().peer(address, Exchange::Http1, None);
        let mut header = RequestHeader::build("POST", b"/", None).expect("a request");
        for (name, value) in [("Host", "a"), ("Transfer-Encoding", "chunked")] {
            header.insert_header(name, value).expect("a header");
        }
        let copy = MirrorCopy {
            name: "mirror".into(),
            peer: peer.expect("a peer"),
            secured: None,
            header,
            pieces: None,
            overrun: Arc::default(),
        };
        let connector = Connector::new(None);
        let mut session = copy.connect(&connector).await.expect("a connection");
        let header = Box::new(copy.header.clone());
        session.write_request_header(header).await.expect("written");
        // Fill all buffers.
        let piece = Bytes::from_static(&[0; 64 * 1024]);
        let fill =
            async { while let Ok(()) = session.write_request_body(piece.clone(), false).await {} };
        timeout(Duration::from_millis(300), fill)
            .await
            .expect_err("the buffers never fill");
        let released = side_request::release(&connector, session, &copy.peer, false);
        timeout(LONGEST / 2, released)
            .await
            .expect("releasing the connection takes too long");
    }
}
