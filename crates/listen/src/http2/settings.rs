//! HTTP/2 settings of one connection.
//!
//! Pingora asks the application for them, which serves all connections of a thread. So the application is wrapped for a connection
//! with settings of its own.

use async_trait::async_trait;
use gatefold_dataplane::client_traffic::socket_settings::Http2Settings;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;

/// An application whose connection has HTTP/2 settings of its own.
pub(crate) struct WithHttp2Settings<A> {
    app: Arc<A>,
    options: H2Options,
}

impl<A: HttpServerApp> WithHttp2Settings<A> {
    /// Replaces settings of the application.
    pub(crate) fn new(app: Arc<A>, settings: Http2Settings) -> Self {
        let mut options = app.h2_options().unwrap_or_else(default_h2_options);
        let Http2Settings {
            stream_window,
            connection_window,
            streams,
        } = settings;
        if let Some(window) = stream_window {
            options.initial_window_size(window);
        }
        if let Some(window) = connection_window {
            options.initial_connection_window_size(window);
        }
        if let Some(streams) = streams {
            options.max_concurrent_streams(streams);
        }
        WithHttp2Settings { app, options }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for WithHttp2Settings<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.app.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.options.clone())
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.app.server_options()
    }
}
