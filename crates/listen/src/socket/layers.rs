//! The layers between a client's TCP stream and the application: PROXY header, TLS, HTTP.
//!
//! In: a connection, and what the snapshot says of its port when it was accepted. Out: the stream that the application reads and
//! writes. A protocol that a port can serve is a variant of `Protocol` here.

use crate::HttpApp;
use crate::connection::Connection;
use crate::connection::stream::ClientStream;
use crate::http_stream::HttpStream;
use crate::proxy_protocol::ProxyHeaders;
use crate::tls::SocketTls;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::client_traffic::socket_settings::{ProxyProtocol, SocketSettings};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// The layers of one connection.
pub(crate) struct Layers {
    /// The key of its port in snapshots.
    pub(crate) socket: SocketKey,
    pub(crate) protocol: Protocol,
    /// `None` if a policy says nothing of the socket.
    pub(crate) settings: Option<Arc<SocketSettings>>,
    pub(crate) proxy_headers: Arc<ProxyHeaders>,
}

/// What is spoken on a connection.
pub(crate) enum Protocol {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https(Arc<SocketTls>),
}

impl Layers {
    /// Whether the client speaks TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.protocol, Protocol::Https(_))
    }

    /// Whether the connection begins with a PROXY header.
    pub(crate) fn proxy_protocol(&self) -> ProxyProtocol {
        let settings = self.settings.as_ref();
        settings.map_or(ProxyProtocol::Off, |it| it.proxy_protocol)
    }

    /// Serves a connection until it ends. The PROXY header and the TLS handshake must be complete at `deadline`.
    pub(crate) async fn serve<A: HttpApp>(
        self,
        stream: ClientStream,
        connection: Arc<Connection>,
        app: Arc<A>,
        deadline: Instant,
        stop: watch::Receiver<bool>,
    ) {
        let owned = connection.clone();
        let Some(lifetime) = connection.lifetime() else {
            return self.serve_until(stream, owned, app, deadline, stop).await;
        };
        let (end, ended) = watch::channel(false);
        let served = self.serve_until(stream, owned, app, deadline, ended);
        tokio::select! {
            () = served => {}
            never = lifetime.limit(&connection, stop, end) => match never {},
        }
    }

    /// Serves a connection until it ends, or until `stop` and the end of its requests.
    async fn serve_until<A: HttpApp>(
        self,
        mut stream: ClientStream,
        connection: Arc<Connection>,
        app: Arc<A>,
        deadline: Instant,
        stop: watch::Receiver<bool>,
    ) {
        let expected = self.proxy_protocol();
        if expected != ProxyProtocol::Off {
            let headers = &self.proxy_headers;
            if !headers
                .accept(&mut stream, &connection, expected, deadline)
                .await
            {
                return;
            }
        }
        let http2 = self.settings.and_then(|it| it.http2);
        match self.protocol {
            Protocol::Http => {
                connection.finish_handshake();
                let stream = Box::new(HttpStream::new(stream, connection));
                app.serve(stream, http2, stop).await;
            }
            Protocol::Https(tls) => {
                if let Some(stream) = tls.accept(stream, &connection, deadline).await {
                    let stream = Box::new(HttpStream::new(stream, connection));
                    app.serve(stream, http2, stop).await;
                }
            }
        }
    }
}
