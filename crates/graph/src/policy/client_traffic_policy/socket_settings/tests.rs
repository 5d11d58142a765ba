use super::*;
use gatefold_dataplane::client_traffic::socket_settings::ClientLimits;
use gatefold_manifest::api::{ClientTimeout, HTTPClientTimeout, TCPClientTimeout};
use std::time::Duration as Time;

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration(Time::from_secs(seconds)))
}

fn places(shortfalls: &[Shortfall]) -> Vec<String> {
    shortfalls.iter().map(|it| it.pointer.to_string()).collect()
}

#[test]
fn keep_alive_stays_within_what_linux_allows() {
    let read = |keep_alive: TCPKeepalive| {
        let mut shortfalls = Vec::new();
        let mut reader = Reader {
            shortfalls: &mut shortfalls,
        };
        let read = reader.keep_alive(&keep_alive);
        (read, places(&shortfalls))
    };
    let none = TCPKeepalive {
        probes: None,
        idle_time: None,
        interval: None,
    };
    assert_eq!(
        read(none.clone()),
        (None, Vec::new()),
        "gatefold's own values"
    );
    let (set, reported) = read(TCPKeepalive {
        probes: Some(0),
        idle_time: seconds(100_000),
        ..none
    });
    let expected = KeepAlive {
        idle: Some(Time::from_secs(32_767)),
        interval: None,
        probes: Some(1),
    };
    assert_eq!(set, Some(expected));
    assert_eq!(
        reported,
        ["spec.tcpKeepalive.idleTime", "spec.tcpKeepalive.probes"]
    );
}

#[test]
fn windows_outside_of_the_protocol_are_not_used() {
    let mut shortfalls = Vec::new();
    let mut reader = Reader {
        shortfalls: &mut shortfalls,
    };
    let http2 = HTTP2Settings {
        initial_stream_window_size: Some(Quantity(1000)),
        initial_connection_window_size: Some(Quantity(8 << 20)),
        ..HTTP2Settings::default()
    };
    let read = reader.http2(&http2).expect("settings");
    assert_eq!(read.stream_window, None);
    assert_eq!(read.connection_window, Some(8 << 20));
    assert_eq!(places(&shortfalls), ["spec.http2.initialStreamWindowSize"]);
}

#[test]
fn zero_turns_a_limit_off_and_is_reported() {
    let timeout = ClientTimeout {
        tcp: Some(TCPClientTimeout {
            tls_handshake_timeout: seconds(3),
        }),
        http: Some(HTTPClientTimeout {
            request_received_timeout: seconds(0),
            idle_timeout: seconds(0),
            ..HTTPClientTimeout::default()
        }),
    };
    let mut shortfalls = Vec::new();
    let clients = time_limits::of_clients(Some(&timeout), &mut shortfalls);
    let expected = ClientLimits {
        handshake: Some(Time::from_secs(3)),
        header: None,
        idle: Some(Time::MAX),
    };
    assert_eq!(clients, expected);
    let requests = time_limits::of_requests(Some(&timeout), &mut shortfalls);
    assert_eq!(requests.received, None);
    assert_eq!(places(&shortfalls), ["spec.timeout.http.idleTimeout"]);
}
