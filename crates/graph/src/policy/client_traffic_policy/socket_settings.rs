//! The settings of a ClientTrafficPolicy for the connections of a socket.

use super::shortfall::Shortfall;
use super::time_limits;
use gatefold_dataplane::client_traffic::socket_settings::{
    ConnectionLifetime, ConnectionLimit, Http2Settings, KeepAlive, ProxyProtocol, SocketSettings,
};
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{
    ClientConnection, ClientTrafficPolicySpec, Duration, HTTP2Settings, Quantity, TCPKeepalive,
};
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;

/// What Linux allows: `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL` seconds, `MAX_TCP_KEEPCNT` probes.
const KEEP_ALIVE_SECONDS: RangeInclusive<u64> = 1..=32_767;
const KEEP_ALIVE_PROBES: RangeInclusive<u32> = 1..=127;
/// Sizes of HTTP/2 windows: at least the initial one of RFC 9113, section 6.9.2, as in Envoy, and at most that of section 6.9.1.
const WINDOW: RangeInclusive<u64> = 65_535..=0x7fff_ffff;
/// How many bytes of a request may wait in gatefold, whatever a policy says.
const READ_AHEAD: u64 = 256 * 1024;

/// Returns what a policy says of its sockets. Adds what isn't served to `shortfalls`.
pub(super) fn of(
    spec: &ClientTrafficPolicySpec,
    shortfalls: &mut Vec<Shortfall>,
) -> SocketSettings {
    let mut reader = Reader { shortfalls };
    if let Some(connection) = &spec.connection {
        reader.check_buffer(connection);
    }
    let keep_alive = spec.tcp_keepalive.as_ref();
    SocketSettings {
        proxy_protocol: proxy_protocol(spec),
        keep_alive: keep_alive.and_then(|it| reader.keep_alive(it)),
        lifetime: spec.connection.as_ref().and_then(lifetime),
        connection_limit: spec.connection.as_ref().and_then(connection_limit),
        http2: spec.http2.as_ref().and_then(|it| reader.http2(it)),
        limits: time_limits::of_clients(spec.timeout.as_ref(), reader.shortfalls),
    }
}

fn proxy_protocol(spec: &ClientTrafficPolicySpec) -> ProxyProtocol {
    match &spec.proxy_protocol {
        Some(settings) if settings.optional == Some(true) => ProxyProtocol::Optional,
        Some(_) => ProxyProtocol::Required,
        None if spec.enable_proxy_protocol == Some(true) => ProxyProtocol::Required,
        None => ProxyProtocol::Off,
    }
}

/// The decoder has checked that the number is positive.
fn connection_limit(connection: &ClientConnection) -> Option<ConnectionLimit> {
    let limit = connection.connection_limit.as_ref()?;
    let connections = usize::try_from(limit.value?).unwrap_or(usize::MAX);
    Some(ConnectionLimit {
        connections: NonZeroUsize::new(connections)?,
        close_delay: limit.close_delay.map(|it| it.0).unwrap_or_default(),
    })
}

/// `0s` and 0 are no limits, as in Envoy.
fn lifetime(connection: &ClientConnection) -> Option<ConnectionLifetime> {
    let limit = connection.connection_limit.as_ref()?;
    let lifetime = ConnectionLifetime {
        duration: limit
            .max_connection_duration
            .map(|it| it.0)
            .filter(|it| !it.is_zero()),
        requests: limit
            .max_requests_per_connection
            .and_then(|it| NonZeroU32::new(u32::try_from(it).ok()?)),
    };
    let ConnectionLifetime { duration, requests } = lifetime;
    (duration.is_some() || requests.is_some()).then_some(lifetime)
}

/// Reads values, and collects what isn't served of them.
struct Reader<'r> {
    shortfalls: &'r mut Vec<Shortfall>,
}

impl Reader<'_> {
    fn check_buffer(&mut self, connection: &ClientConnection) {
        if connection.buffer_limit.is_some_and(|it| it.0 < READ_AHEAD) {
            let pointer = Pointer::spec().key("connection").key("bufferLimit");
            let message = "up to 256 KiB of a request wait here";
            self.shortfalls.push(Shortfall::warns(pointer, message));
        }
    }

    /// Without fields, the values are those of every connection.
    fn keep_alive(&mut self, keep_alive: &TCPKeepalive) -> Option<KeepAlive> {
        let settings = KeepAlive {
            idle: self.seconds("idleTime", keep_alive.idle_time),
            interval: self.seconds("interval", keep_alive.interval),
            probes: keep_alive.probes.map(|probes| {
                let (least, most) = KEEP_ALIVE_PROBES.into_inner();
                let set = u32::try_from(probes).unwrap_or_default();
                let used = set.clamp(least, most);
                self.report_limited("probes", set == used, used);
                used
            }),
        };
        let KeepAlive {
            idle,
            interval,
            probes,
        } = settings;
        let is_set = idle.is_some() || interval.is_some() || probes.is_some();
        is_set.then_some(settings)
    }

    fn seconds(
        &mut self,
        field: &'static str,
        set: Option<Duration>,
    ) -> Option<std::time::Duration> {
        let set = set?.0;
        let (least, most) = KEEP_ALIVE_SECONDS.into_inner();
        let used = set.as_secs().clamp(least, most);
        let used_time = std::time::Duration::from_secs(used);
        self.report_limited(field, set == used_time, used);
        Some(used_time)
    }

    fn report_limited(&mut self, field: &'static str, is_same: bool, used: impl std::fmt::Display) {
        if !is_same {
            let pointer = Pointer::spec().key("tcpKeepalive").key(field);
            let message = format!("the system doesn't allow this value, and {used} is used");
            self.shortfalls.push(Shortfall::warns(pointer, message));
        }
    }

    fn http2(&mut self, http2: &HTTP2Settings) -> Option<Http2Settings> {
        let action = http2.on_invalid_message.as_deref();
        if action.is_some_and(|it| it != "TerminateStream") {
            let pointer = Pointer::spec().key("http2").key("onInvalidMessage");
            let message = "an invalid message ends only its stream";
            self.shortfalls.push(Shortfall::warns(pointer, message));
        }
        let settings = Http2Settings {
            stream_window: self.window("initialStreamWindowSize", http2.initial_stream_window_size),
            connection_window: self.window(
                "initialConnectionWindowSize",
                http2.initial_connection_window_size,
            ),
            streams: http2
                .max_concurrent_streams
                .and_then(|it| u32::try_from(it).ok()),
        };
        (settings != Http2Settings::default()).then_some(settings)
    }

    fn window(&mut self, field: &'static str, size: Option<Quantity>) -> Option<u32> {
        let size = size?.0;
        let window = u32::try_from(size).ok().filter(|_| WINDOW.contains(&size));
        if window.is_none() {
            let pointer = Pointer::spec().key("http2").key(field);
            let message = "a window has 65535 bytes to 2 GiB, and gatefold's own is used";
            self.shortfalls.push(Shortfall::warns(pointer, message));
        }
        window
    }
}

#[cfg(test)]
mod tests;
