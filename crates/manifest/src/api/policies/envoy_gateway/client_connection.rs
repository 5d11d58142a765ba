//! `connection` and `tcpKeepalive` of a ClientTrafficPolicy.

use crate::Decoder;
use crate::api::{Duration, Quantity, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// How connections of clients are limited. The field table reports unknown fields.
    #[derive(Default)]
    pub open ClientConnection checked by ClientConnection::check {
        /// How many bytes of a connection may be buffered.
        "bufferLimit" => buffer_limit: Option<Quantity>,
        /// How many connections there may be.
        "connectionLimit" => connection_limit: Option<ConnectionLimit>,
        /// How many connections are accepted at once.
        "maxAcceptPerSocketEvent" => max_accept_per_socket_event: Option<i32>,
    }
}

object! {
    /// How many connections there may be. The field table reports unknown fields.
    pub open ConnectionLimit checked by ConnectionLimit::check {
        /// The number of open connections.
        "value" => value: Option<i64>,
        /// How long a connection beyond the limit is kept before it is closed.
        "closeDelay" => close_delay: Option<Duration>,
        /// How long a connection may be open.
        "maxConnectionDuration" => max_connection_duration: Option<Duration>,
        /// How many requests a connection may carry.
        "maxRequestsPerConnection" => max_requests_per_connection: Option<i64>,
    }
}

object! {
    /// Probes by which the system detects that a client is gone.
    pub closed TCPKeepalive checked by TCPKeepalive::check {
        /// The number of unanswered probes after which the client counts as gone.
        "probes" => probes: Option<i32>,
        /// How long a connection must be idle before it is probed.
        "idleTime" => idle_time: Option<Duration>,
        /// The time between two probes.
        "interval" => interval: Option<Duration>,
    }
}

impl ClientConnection {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.max_accept_per_socket_event.is_some_and(|it| it < 0) {
            refuse(
                node,
                "maxAcceptPerSocketEvent",
                "must be at least 0",
                decoder,
            );
        }
    }
}

impl TCPKeepalive {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.probes.is_some_and(|it| it < 0) {
            refuse(node, "probes", "must be at least 0", decoder);
        }
    }
}

impl ConnectionLimit {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.value.is_some_and(|value| value < 1) {
            refuse(node, "value", "must be at least 1", decoder);
        }
        let requests = self.max_requests_per_connection;
        if requests.is_some_and(|it| u32::try_from(it).is_err()) {
            let why = "must be within 0 and 4294967295";
            refuse(node, "maxRequestsPerConnection", why, decoder);
        }
        if self.close_delay.is_some() && self.value.is_none() {
            refuse(node, "closeDelay", "needs `value`", decoder);
        }
    }
}
