//! One copy of a request, from connecting to the end of the response.

use super::body::Piece;
use crate::counters::Mirrored;
use crate::upstream::side_peer::PeerTls;
use gatefold_dataplane::backend::HttpVersion;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri, Version};
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
                self.release(connector, session, complete).await;
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
        let options = &self.peer.options;
        session.set_read_timeout(options.read_timeout);
        session.set_write_timeout(options.write_timeout);
        let header = Box::new(self.header.clone());
        session.write_request_header(header).await?;
        self.send_body(session).await?;
        session.finish_request_body().await?;
        read_response(session).await
    }

    /// Returns the connection to the pool. An HTTP/2 connection must always be returned: it may carry other requests, and
    /// Pingora only notices here that it carries none and may be closed. An HTTP/1.1 connection with an incomplete exchange is
    /// dropped: closing it gracefully would wait until the mirror has read everything that it was sent.
    async fn release(&self, connector: &Connector, mut session: HttpSession, complete: bool) {
        match session {
            _ if complete => {}
            HttpSession::H2(_) => session.shutdown().await,
            _ => return,
        }
        let idle = self.peer.options.idle_timeout;
        connector
            .release_http_session(session, &*self.peer, idle)
            .await;
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
            None => return Ok(Completion::Incomplete),
        }
    }
    Ok(Completion::Complete)
}

/// Returns the header of a copy: that of the request to the backend, in the HTTP version of the mirror.
pub(crate) fn header(
    request: &RequestHeader,
    version: HttpVersion,
    tls: bool,
    bodiless: bool,
) -> Result<RequestHeader> {
    let mut header = request.clone();
    // The copy doesn't wait for the permission.
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
            let authority = host.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
            make_http2(&mut header, authority, target, tls)?;
        }
    }
    Ok(header)
}

fn make_http2(
    header: &mut RequestHeader,
    authority: &[u8],
    target: PathAndQuery,
    tls: bool,
) -> Result<()> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    header.set_version(Version::HTTP_2);
    let uri = Uri::builder()
        .scheme(if tls { "https" } else { "http" })
        .authority(authority)
        .path_and_query(target)
        .build();
    header.set_uri(
        uri.map_err(|error| Error::because(ErrorType::InvalidHTTPHeader, "for HTTP/2", error))?,
    );
    // `TE` stays: it can only be `trailers` here, which HTTP/2 allows (RFC 9113, section 8.2.2) and gRPC requires.
    for name in [&HOST, &CONNECTION, &KEEP_ALIVE, &TRANSFER_ENCODING] {
        header.remove_header(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::peer::{Exchange, Timeouts};
    use bytes::Bytes;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    #[test]
    fn copy_for_an_http2_mirror_keeps_te_but_no_hop_by_hop_headers() {
        let mut request = RequestHeader::build("POST", b"/a.B/C", None).expect("a request");
        for (name, value) in [("Host", "a"), ("TE", "trailers"), ("Connection", "TE")] {
            request.insert_header(name, value).expect("a header");
        }
        let copy = header(&request, HttpVersion::Http2, false, false).expect("a header");
        let mut names: Vec<_> = copy.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["te"]);
        assert_eq!(copy.headers["te"], "trailers");
    }

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
        timeout(LONGEST / 2, copy.release(&connector, session, false))
            .await
            .expect("releasing the connection takes too long");
    }
}
