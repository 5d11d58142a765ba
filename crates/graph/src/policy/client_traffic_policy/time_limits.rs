//! The time limits of a ClientTrafficPolicy. `0s` turns a limit off, which is reported: in Envoy some of these limits are off anyway.

use super::shortfall::Shortfall;
use gatefold_dataplane::client_traffic::RequestLimits;
use gatefold_dataplane::client_traffic::socket_settings::ClientLimits;
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{ClientTimeout, Duration};

/// Returns the limits for connections.
pub(super) fn of_clients(
    timeout: Option<&ClientTimeout>,
    shortfalls: &mut Vec<Shortfall>,
) -> ClientLimits {
    let tcp = timeout.and_then(|it| it.tcp.as_ref());
    let http = timeout.and_then(|it| it.http.as_ref());
    let mut limit = |place, set| limit(place, set, shortfalls);
    ClientLimits {
        handshake: limit(
            ["tcp", "tlsHandshakeTimeout"],
            tcp.and_then(|it| it.tls_handshake_timeout),
        ),
        header: limit(
            ["http", "requestHeadersReceivedTimeout"],
            http.and_then(|it| it.request_headers_received_timeout),
        ),
        idle: limit(["http", "idleTimeout"], http.and_then(|it| it.idle_timeout)),
    }
}

/// Returns the limits for requests. `requestReceivedTimeout: 0s` isn't reported, since gatefold has no such limit of its own.
pub(super) fn of_requests(
    timeout: Option<&ClientTimeout>,
    shortfalls: &mut Vec<Shortfall>,
) -> RequestLimits {
    let http = timeout.and_then(|it| it.http.as_ref());
    let received = http.and_then(|it| it.request_received_timeout);
    RequestLimits {
        received: received.map(|it| it.0).filter(|it| !it.is_zero()),
        idle: limit(
            ["http", "streamIdleTimeout"],
            http.and_then(|it| it.stream_idle_timeout),
            shortfalls,
        ),
    }
}

fn limit(
    [group, field]: [&'static str; 2],
    set: Option<Duration>,
    shortfalls: &mut Vec<Shortfall>,
) -> Option<std::time::Duration> {
    let set = set?.0;
    if !set.is_zero() {
        return Some(set);
    }
    let pointer = Pointer::spec().key("timeout").key(group).key(field);
    let message = "`0s` turns gatefold's limit off: a client can keep its connection for ever";
    shortfalls.push(Shortfall::unlimited(pointer, message));
    Some(std::time::Duration::MAX)
}
