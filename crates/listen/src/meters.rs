//! Metrics of client connections.

use gatefold_dataplane::SocketKey;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Metrics of client connections. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    open: Family<ListenerLabel, Gauge>,
    accepted: Family<ListenerLabel, Counter>,
    limit: Gauge,
    pauses: Arc<[Counter; 2]>,
    closed: Arc<[Counter; CloseReason::ALL.len()]>,
}

/// Metrics of one socket's connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketMetrics {
    pub(crate) open: Gauge,
    pub(crate) accepted: Counter,
}

/// Why accepting pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptPause {
    /// The limit of open connections is reached.
    Limit,
    /// The process or the system is out of file descriptors or memory.
    Descriptors,
}

/// Why gatefold closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The connection began without a usable PROXY header.
    ProxyHeader,
    /// The socket had as many connections as its policy permits.
    SocketLimit,
    /// The TLS handshake took too long.
    Handshake,
    /// The client sent nothing.
    FirstByte,
    /// A request header took too long.
    Header,
    /// The connection was idle for too long.
    Idle,
    /// The client read nothing of the pending data for too long.
    Write,
    /// The client sent a malformed request.
    Malformed,
    /// The client had closed its side, and was sent nothing for too long.
    OneSided,
    /// The connection was idle, and the limit of open connections was reached.
    Reclaimed,
    /// The socket was closed while the connection was idle.
    Drained,
    /// The socket was closed, and the requests in flight took longer than the drain time.
    DrainTimeout,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Meters {
    /// Creates metrics and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let pauses = Family::<ReasonLabel, Counter>::default();
        let closed = Family::<ReasonLabel, Counter>::default();
        let of = |family: &Family<ReasonLabel, Counter>, reason| {
            family.get_or_create_owned(&ReasonLabel { reason })
        };
        let meters = Meters {
            pauses: Arc::new(["limit", "file_descriptors"].map(|reason| of(&pauses, reason))),
            closed: Arc::new(CloseReason::ALL.map(|closed_by| of(&closed, closed_by.name()))),
            ..Meters::default()
        };
        registry.register(
            "gatefold_connections",
            "Open client connections by listening socket",
            meters.open.clone(),
        );
        registry.register(
            "gatefold_connections_accepted",
            "Accepted client connections by listening socket",
            meters.accepted.clone(),
        );
        registry.register(
            "gatefold_connections_limit",
            "Maximum number of open client connections",
            meters.limit.clone(),
        );
        registry.register(
            "gatefold_accept_pauses",
            "Times that accepting connections had to pause, by the missing resource",
            pauses,
        );
        registry.register(
            "gatefold_connections_closed",
            "Client connections that gatefold closed, by reason",
            closed,
        );
        meters
    }

    pub(crate) fn set_limit(&self, connections: usize) {
        self.limit
            .set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    pub(crate) fn socket(&self, socket: SocketKey) -> SocketMetrics {
        let label = label(socket);
        SocketMetrics {
            open: self.open.get_or_create_owned(&label),
            accepted: self.accepted.get_or_create_owned(&label),
        }
    }

    /// Removes the metrics of a socket that is closed and has no connections.
    pub(crate) fn forget(&self, socket: SocketKey) {
        self.open.remove(&label(socket));
        self.accepted.remove(&label(socket));
    }

    pub(crate) fn pause(&self, pause: AcceptPause) {
        let [limit, descriptors] = &*self.pauses;
        match pause {
            AcceptPause::Limit => limit.inc(),
            AcceptPause::Descriptors => descriptors.inc(),
        };
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        if let Some(counter) = self.closed.get(reason as usize) {
            counter.inc();
        }
    }
}

fn label(socket: SocketKey) -> ListenerLabel {
    ListenerLabel {
        listener: socket.to_string(),
    }
}

impl CloseReason {
    const ALL: [CloseReason; 12] = [
        CloseReason::ProxyHeader,
        CloseReason::SocketLimit,
        CloseReason::Handshake,
        CloseReason::FirstByte,
        CloseReason::Header,
        CloseReason::Idle,
        CloseReason::Write,
        CloseReason::Malformed,
        CloseReason::OneSided,
        CloseReason::Reclaimed,
        CloseReason::Drained,
        CloseReason::DrainTimeout,
    ];

    fn name(self) -> &'static str {
        match self {
            CloseReason::ProxyHeader => "proxy_header",
            CloseReason::SocketLimit => "connection_limit",
            CloseReason::Handshake => "handshake_timeout",
            CloseReason::FirstByte => "first_byte_timeout",
            CloseReason::Header => "header_timeout",
            CloseReason::Idle => "idle_timeout",
            CloseReason::Write => "write_timeout",
            CloseReason::Malformed => "malformed_request",
            CloseReason::OneSided => "half_closed",
            CloseReason::Reclaimed => "reclaimed",
            CloseReason::Drained => "drained",
            CloseReason::DrainTimeout => "drain_timeout",
        }
    }

    /// A number greater than 0 that identifies the reason.
    pub(crate) fn code(self) -> u8 {
        self as u8 + 1
    }

    /// Returns the reason with this code; `None` for 0.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        let index = usize::from(code).checked_sub(1)?;
        CloseReason::ALL.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
        text
    }

    #[test]
    fn shows_connections_by_socket_and_closed_connections_by_reason() {
        let mut registry = Registry::default();
        let meters = Meters::register(&mut registry);
        let address = SocketKey::tcp(([127, 0, 0, 1], 80));
        meters.socket(address).open.inc();
        meters.socket(address).accepted.inc();
        meters.closed(CloseReason::DrainTimeout);
        meters.pause(AcceptPause::Descriptors);
        let shown = text(&registry);
        for line in [
            r#"gatefold_connections{listener="127.0.0.1:80"} 1"#,
            r#"gatefold_connections_accepted_total{listener="127.0.0.1:80"} 1"#,
            r#"gatefold_connections_closed_total{reason="drain_timeout"} 1"#,
            r#"gatefold_connections_closed_total{reason="handshake_timeout"} 0"#,
            r#"gatefold_accept_pauses_total{reason="file_descriptors"} 1"#,
        ] {
            assert!(shown.contains(line), "{line} isn't in\n{shown}");
        }
        meters.forget(address);
        assert!(!text(&registry).contains("127.0.0.1:80"));
    }

    #[test]
    fn finds_every_reason_by_its_code() {
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::of_code(reason.code()), Some(reason));
        }
        assert_eq!(CloseReason::of_code(0), None);
    }
}
