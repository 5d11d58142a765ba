//! Requests that gatefold sends beside the client's: copies for mirrors, and questions to authorization servers.
//!
//! In: a header, and the endpoints that it is for. Out: the header as an endpoint gets it, a connection, and the connection's way
//! back to the pool. What the answer means is the caller's business.

use crate::NO_AUTHORITIES;
use crate::upstream::backend_tls;
use crate::upstream::peer::{Exchange, Timeouts};
use crate::upstream::tls_cache::{PreparedTls, TlsCache};
use gatefold_dataplane::backend::{EndpointSet, HttpVersion};
use gatefold_dataplane::backend_tls::BackendTls;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri, Version};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The TLS settings of an endpoint.
pub(crate) struct PeerTls {
    tls: Arc<BackendTls>,
    prepared: Arc<PreparedTls>,
    endpoint: SocketAddr,
}

impl PeerTls {
    /// Checks the names in the certificate of a connection.
    ///
    /// # Errors
    /// If the endpoint has another name.
    pub(crate) async fn check(&self, session: &HttpSession, patience: Duration) -> Result<()> {
        let PeerTls {
            tls,
            prepared,
            endpoint,
        } = self;
        backend_tls::check_names(tls, prepared, *endpoint, session.digest(), patience).await
    }
}

/// Selects an endpoint and prepares its TLS, like for a backend.
///
/// # Errors
/// If TLS was not prepared for the Gateway's client certificate, or can't be used.
pub(crate) fn select(
    endpoints: &EndpointSet,
    identity: Option<usize>,
    timeouts: Timeouts,
    tls_cache: &TlsCache,
) -> Result<(Box<HttpPeer>, Option<PeerTls>)> {
    let tls = backend_tls::of(endpoints, identity)?;
    let exchange = Exchange::of(endpoints.version, false);
    let endpoint = endpoints.next();
    let prepared = tls.map(|tls| tls_cache.prepare(tls));
    let secure = tls.map(|tls| &**tls).zip(prepared.as_deref());
    let mut peer = timeouts.peer(endpoint, exchange, secure)?;
    if let Some(tls) = tls {
        backend_tls::defer_names(&mut peer, tls);
    }
    let secured = tls.zip(prepared).map(|(tls, prepared)| PeerTls {
        tls: tls.clone(),
        prepared,
        endpoint,
    });
    Ok((peer, secured))
}

/// Creates a connector that keeps up to `idle` idle connections.
pub(crate) fn connector(idle: usize) -> Connector {
    let mut options = ConnectorOptions::new(idle);
    options.ca_file = Some(NO_AUTHORITIES.to_owned());
    Connector::new(Some(options))
}

/// Returns the header of a request in the HTTP version of an endpoint. `request` is written for any version.
pub(crate) fn header(
    request: &RequestHeader,
    version: HttpVersion,
    tls: bool,
    bodiless: bool,
) -> Result<RequestHeader> {
    let mut header = request.clone();
    // Its body is sent without waiting for a permission.
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

/// Sends the header of a request, within the time limits of the endpoint.
///
/// # Errors
/// If it can't be sent in time.
pub(crate) async fn begin(
    session: &mut HttpSession,
    peer: &HttpPeer,
    header: RequestHeader,
) -> Result<()> {
    session.set_read_timeout(peer.options.read_timeout);
    session.set_write_timeout(peer.options.write_timeout);
    session.write_request_header(Box::new(header)).await
}

/// Reads the header of the final response.
///
/// # Errors
/// If there is none in time.
pub(crate) async fn read_final_header(session: &mut HttpSession) -> Result<()> {
    loop {
        session.read_response_header().await?;
        let status = session.response_header().map(|response| response.status);
        if !status.is_some_and(|status| status.is_informational()) {
            return Ok(());
        }
    }
}

/// Returns a connection to the pool. An HTTP/2 connection must always be returned: it may carry other requests, and Pingora only
/// notices here that it carries none and may be closed. An HTTP/1.1 connection with an incomplete exchange is dropped: closing it
/// gracefully would wait until the other end has read everything that it was sent.
pub(crate) async fn release(
    connector: &Connector,
    mut session: HttpSession,
    peer: &HttpPeer,
    is_complete: bool,
) {
    match session {
        _ if is_complete => {}
        HttpSession::H2(_) => session.shutdown().await,
        _ => return,
    }
    let idle = peer.options.idle_timeout;
    connector.release_http_session(session, peer, idle).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_for_an_http2_endpoint_keeps_te_but_no_hop_by_hop_headers() {
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
}
