//! A request in flight, and the contract with the applications that serve requests.

use crate::connection::Connection;
use crate::http2::settings::WithHttp2Settings;
use crate::http2::windows::Windows;
use gatefold_dataplane::client_traffic::socket_settings::Http2Settings;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::{Digest, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::services::listening::Service;
use pingora_proxy::{HttpProxy, ProxyHttp};
use std::sync::Arc;

/// An application that serves HTTP on the connections of [`Sockets`](crate::Sockets).
///
/// A connection must know which requests are in flight, for its deadlines and to drain. So the application begins each
/// request with [`ActiveRequest::begin`] in its first hook: Pingora refuses a malformed request without calling a hook, and
/// such a request is answered by this crate. A proxy can serve only if its context holds the active request.
pub trait HttpApp: ServerApp + Send + Sync + 'static {
    /// Serves a stream until it ends, over HTTP/2 with these settings. `None` means those of the application.
    fn serve(
        self: Arc<Self>,
        stream: Stream,
        _http2: Option<Http2Settings>,
        stop: ShutdownWatch,
    ) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        Service::<Self>::handle_event(stream, self, stop)
    }
}

impl<P> HttpApp for HttpProxy<P>
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: HoldsRequest + Send + Sync,
    HttpProxy<P>: HttpServerApp + Send + Sync + 'static,
{
    async fn serve(
        self: Arc<Self>,
        stream: Stream,
        http2: Option<Http2Settings>,
        stop: ShutdownWatch,
    ) {
        match http2 {
            None => Service::<Self>::handle_event(stream, self, stop).await,
            Some(settings) => {
                let app = Arc::new(WithHttp2Settings::new(self, settings));
                Service::<WithHttp2Settings<Self>>::handle_event(stream, app, stop).await;
            }
        }
    }
}

/// The context of a request. It keeps the [`ActiveRequest`] until the request ends.
pub trait HoldsRequest {
    /// Where the active request is kept.
    fn active_request(&mut self) -> &mut Option<ActiveRequest>;
}

impl HoldsRequest for Option<ActiveRequest> {
    fn active_request(&mut self) -> &mut Option<ActiveRequest> {
        self
    }
}

/// A request in flight. It counts as in flight on its connection until this is dropped.
#[derive(Debug)]
pub struct ActiveRequest {
    connection: Arc<Connection>,
    in_flight: u32,
    windows: Windows,
}

/// What a session's digest carries: the connection, which only [`ActiveRequest::begin`] gives access to.
#[derive(Debug)]
pub(crate) struct ConnectionHandle(pub(crate) Arc<Connection>);

impl ActiveRequest {
    /// Records in its connection that a request has begun, and keeps the active request in `context`. Returns the connection;
    /// `None` if the session isn't on a connection of this crate.
    ///
    /// Call it once for each request, in the first hook, with the digest of the session.
    pub fn begin<'c>(
        digest: Option<&Digest>,
        context: &'c mut impl HoldsRequest,
    ) -> Option<&'c Arc<Connection>> {
        let digest = digest?.proxy_digest.as_ref()?;
        let handle = digest
            .user_data
            .as_ref()?
            .downcast_ref::<ConnectionHandle>()?;
        let request = context.active_request().insert(handle.0.begin());
        Some(&request.connection)
    }

    pub(super) fn new(connection: Arc<Connection>, in_flight: u32, windows: Windows) -> Self {
        ActiveRequest {
            connection,
            in_flight,
            windows,
        }
    }

    /// The number of requests in flight on the connection when this one began, including this one.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The HTTP/2 client's flow-control windows when this request began. Meaningless over HTTP/1.
    pub fn windows(&self) -> Windows {
        self.windows
    }
}

impl std::ops::Deref for ActiveRequest {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.connection.finish();
    }
}
