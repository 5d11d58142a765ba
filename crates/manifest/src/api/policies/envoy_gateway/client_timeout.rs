//! `ClientTrafficPolicy.spec.timeout`.

use crate::api::{Duration, object};

object! {
    /// Time limits for clients. The field table reports unknown fields.
    #[derive(Default)]
    pub open ClientTimeout {
        /// Time limits for connections.
        "tcp" => tcp: Option<TCPClientTimeout>,
        /// Time limits for requests.
        "http" => http: Option<HTTPClientTimeout>,
    }
}

object! {
    /// Time limits for connections. The field table reports unknown fields.
    #[derive(Default)]
    pub open TCPClientTimeout {
        /// For the TLS handshake.
        "tlsHandshakeTimeout" => tls_handshake_timeout: Option<Duration>,
    }
}

object! {
    /// Time limits for requests. `0s` means that there is no limit. The field table reports unknown fields.
    #[derive(Default)]
    pub open HTTPClientTimeout {
        /// For the whole request.
        "requestReceivedTimeout" => request_received_timeout: Option<Duration>,
        /// For the header of a request, from its first byte.
        "requestHeadersReceivedTimeout" => request_headers_received_timeout: Option<Duration>,
        /// For the next request on a connection without one.
        "idleTimeout" => idle_timeout: Option<Duration>,
        /// For the next piece of a request's body, and for the client to read a piece of the response.
        "streamIdleTimeout" => stream_idle_timeout: Option<Duration>,
    }
}
