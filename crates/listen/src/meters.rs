use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;

/// What is counted of connections.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    open: Family<ListenerLabel, Gauge>,
    accepted: Family<ListenerLabel, Counter>,
    limit: Gauge,
    pauses: Arc<[Counter; 2]>,
    closed: Arc<[Counter; Closed::ALL.len()]>,
}

/// What is counted of one socket's connections.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketMeters {
    pub(super) open: Gauge,
    pub(super) accepted: Counter,
}

/// Why no connections are accepted for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// As many are open as may be.
    Limit,
    /// The process or the system has no file descriptors or no memory left.
    Descriptors,
}

/// Why a connection was closed that the client didn't close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The TLS handshake took too long.
    Handshake,
    /// Nothing came.
    FirstByte,
    /// A request's header took too long.
    Header,
    /// It was idle for too long.
    Idle,
    /// The client took nothing of what was to be written to it.
    Write,
    /// The client sent what is no request.
    Malformed,
    /// The client had ended its side, and took nothing of the response for too long.
    OneSided,
    /// It was idle, and somebody else needed its place.
    Reclaimed,
    /// Its socket is gone, and nothing was under way.
    Drained,
    /// Its socket is gone, and what was under way took longer than the drain time.
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
    /// Meters that show in a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let pauses = Family::<ReasonLabel, Counter>::default();
        let closed = Family::<ReasonLabel, Counter>::default();
        let of = |family: &Family<ReasonLabel, Counter>, reason| {
            family.get_or_create_owned(&ReasonLabel { reason })
        };
        let meters = Meters {
            pauses: Arc::new(["limit", "file_descriptors"].map(|reason| of(&pauses, reason))),
            closed: Arc::new(Closed::ALL.map(|closed_by| of(&closed, closed_by.name()))),
            ..Meters::default()
        };
        registry.register(
            "gatefold_connections",
            "Open connections of clients by the socket they came in by",
            meters.open.clone(),
        );
        registry.register(
            "gatefold_connections_accepted",
            "Connections that were accepted",
            meters.accepted.clone(),
        );
        registry.register(
            "gatefold_connections_limit",
            "How many connections of clients may be open",
            meters.limit.clone(),
        );
        registry.register(
            "gatefold_accept_pauses",
            "How often accepting had to wait, by what was missing",
            pauses,
        );
        registry.register(
            "gatefold_connections_closed",
            "Connections that were closed for a reason of ours",
            closed,
        );
        meters
    }

    pub(super) fn set_limit(&self, connections: usize) {
        self.limit
            .set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    pub(super) fn socket(&self, address: SocketAddr) -> SocketMeters {
        let label = label(address);
        SocketMeters {
            open: self.open.get_or_create_owned(&label),
            accepted: self.accepted.get_or_create_owned(&label),
        }
    }

    /// The socket is gone, and so are its connections.
    pub(super) fn forget(&self, address: SocketAddr) {
        self.open.remove(&label(address));
        self.accepted.remove(&label(address));
    }

    pub(super) fn pause(&self, pause: Pause) {
        let [limit, descriptors] = &*self.pauses;
        match pause {
            Pause::Limit => limit.inc(),
            Pause::Descriptors => descriptors.inc(),
        };
    }

    pub(super) fn closed(&self, reason: Closed) {
        if let Some(counter) = self.closed.get(reason as usize) {
            counter.inc();
        }
    }
}

fn label(address: SocketAddr) -> ListenerLabel {
    ListenerLabel {
        listener: address.to_string(),
    }
}

impl Closed {
    const ALL: [Closed; 10] = [
        Closed::Handshake,
        Closed::FirstByte,
        Closed::Header,
        Closed::Idle,
        Closed::Write,
        Closed::Malformed,
        Closed::OneSided,
        Closed::Reclaimed,
        Closed::Drained,
        Closed::DrainTimeout,
    ];

    fn name(self) -> &'static str {
        match self {
            Closed::Handshake => "handshake_timeout",
            Closed::FirstByte => "first_byte_timeout",
            Closed::Header => "header_timeout",
            Closed::Idle => "idle_timeout",
            Closed::Write => "write_timeout",
            Closed::Malformed => "malformed_request",
            Closed::OneSided => "half_closed",
            Closed::Reclaimed => "reclaimed",
            Closed::Drained => "drained",
            Closed::DrainTimeout => "drain_timeout",
        }
    }

    /// A number above 0.
    pub(super) fn code(self) -> u8 {
        self as u8 + 1
    }

    /// What has this number; nothing for 0.
    pub(super) fn of_code(code: u8) -> Option<Self> {
        let index = usize::from(code).checked_sub(1)?;
        Closed::ALL.get(index).copied()
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
    fn connections_show_by_socket_and_closed_ones_by_reason() {
        let mut registry = Registry::default();
        let meters = Meters::register(&mut registry);
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        meters.socket(address).open.inc();
        meters.socket(address).accepted.inc();
        meters.closed(Closed::DrainTimeout);
        meters.pause(Pause::Descriptors);
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
    fn every_reason_is_found_by_its_code() {
        for reason in Closed::ALL {
            assert_eq!(Closed::of_code(reason.code()), Some(reason));
        }
        assert_eq!(Closed::of_code(0), None);
    }
}
