//! Limits for connections and requests of clients (`connection`, `timeout` and `http2` of a ClientTrafficPolicy).

use crate::support::client::Client;
use crate::support::client_traffic::{client_traffic_policy, replace};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::{DEADLINE, eventually};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const HOST: &str = "www.example.com";

fn site(settings: &str) -> (Folder, Daemon) {
    let folder = Folder::with_route(HOST);
    folder.write("clients.yaml", client_traffic_policy(settings));
    let daemon = Daemon::of(&folder).echo().start();
    (folder, daemon)
}

/// Opens a connection, and sends a request on it.
fn opened(daemon: &Daemon) -> Option<Client> {
    let mut client = daemon.connect();
    let answer = client.get(HOST, "/", &[]).ok()?;
    assert_eq!(answer.status, 200);
    Some(client)
}

/// The time until the daemon closes a connection.
fn time_until_closed(stream: &mut TcpStream) -> Duration {
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let start = Instant::now();
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut rest);
    start.elapsed()
}

fn closed(daemon: &Daemon, reason: &str) -> f64 {
    daemon.metric(&format!(
        "gatefold_connections_closed_total{{reason=\"{reason}\"}}"
    ))
}

#[test]
fn connections_beyond_the_limit_of_a_socket_are_closed() {
    let (folder, daemon) = site("connection: {connectionLimit: {value: 2}}");
    let first = opened(&daemon).expect("a connection");
    let mut second = opened(&daemon).expect("a connection");
    assert!(opened(&daemon).is_none(), "the third one is closed");
    assert!(closed(&daemon, "connection_limit") >= 1.0);
    assert_eq!(second.get(HOST, "/", &[]).expect("an answer").status, 200);
    drop(first);
    let third = eventually("there is room again", || opened(&daemon));
    let delayed = "connection: {connectionLimit: {value: 2, closeDelay: 1s}}";
    replace(
        &folder,
        &daemon,
        "clients.yaml",
        &client_traffic_policy(delayed),
    );
    let mut fourth = TcpStream::connect(daemon.socket(80)).expect("a connection");
    let time = time_until_closed(&mut fourth);
    assert!(time >= Duration::from_millis(900), "closed after {time:?}");
    drop((second, third));
    eventually("a refused connection doesn't count", || opened(&daemon));
}

/// A delayed connection keeps its place among those of all sockets, so a single socket must not delay any number of them.
#[test]
fn no_more_connections_are_delayed_than_the_socket_may_have() {
    let (_folder, daemon) = site("connection: {connectionLimit: {value: 2, closeDelay: 60s}}");
    let _open = [opened(&daemon), opened(&daemon)].map(|it| it.expect("a connection"));
    let connect = || TcpStream::connect(daemon.socket(80)).expect("a connection");
    let delayed: Vec<TcpStream> = (0..5).map(|_| connect()).collect();
    let closed_at_once = |stream: &TcpStream| {
        let mut stream = stream.try_clone().expect("a stream");
        stream.set_nonblocking(true).expect("nonblocking");
        !matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    eventually("all but two are closed", || {
        let count = delayed.iter().filter(|it| closed_at_once(it)).count();
        (count == 3).then_some(())
    });
}

#[test]
fn a_header_and_an_idle_connection_have_the_times_of_the_policy() {
    let times = "timeout: {http: {requestHeadersReceivedTimeout: 1s, idleTimeout: 2s}}";
    let (_folder, daemon) = site(times);
    let mut slow = TcpStream::connect(daemon.socket(80)).expect("a connection");
    slow.write_all(b"GET / HTTP/1.1\r\n").expect("sent");
    slow.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let start = Instant::now();
    let answer = Client::over(slow).answer().expect("an answer");
    assert_eq!(answer.status, 408);
    let time = start.elapsed();
    let bounds = Duration::from_millis(900)..Duration::from_secs(8);
    assert!(bounds.contains(&time), "answered after {time:?}, not 10 s");
    let idle = opened(&daemon).expect("a connection");
    let mut stream = idle.stream().try_clone().expect("a stream");
    let time = time_until_closed(&mut stream);
    assert!(bounds.contains(&time), "closed after {time:?}, not 60 s");
    assert!(closed(&daemon, "idle_timeout") >= 1.0);
}

#[test]
fn a_handshake_has_the_time_of_the_policy() {
    let (_folder, daemon) = site("proxyProtocol: {}\n  timeout: {tcp: {tlsHandshakeTimeout: 1s}}");
    let mut silent = TcpStream::connect(daemon.socket(80)).expect("a connection");
    let time = time_until_closed(&mut silent);
    let bounds = Duration::from_millis(900)..Duration::from_secs(8);
    assert!(bounds.contains(&time), "closed after {time:?}, not 10 s");
}

/// Begins a request with a body of 1000 bytes, of which one arrives every 100 ms. Returns the answer's status and its time.
fn drip(daemon: &Daemon, bytes: usize) -> (u16, Duration) {
    let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut sender = stream.try_clone().expect("a stream");
    let start = Instant::now();
    let sending = std::thread::spawn(move || {
        for _ in 0..bytes {
            // A client that sends slowly is what this is about.
            std::thread::sleep(Duration::from_millis(100));
            if sender.write_all(b"x").is_err() {
                return;
            }
        }
    });
    let status = Client::over(stream).answer().expect("an answer").status;
    let time = start.elapsed();
    drop(sending);
    (status, time)
}

#[test]
fn a_body_must_arrive_in_time() {
    let (folder, daemon) = site("timeout: {http: {requestReceivedTimeout: 1s}}");
    let (status, time) = drip(&daemon, 1000);
    assert_eq!(status, 408);
    assert!(time < Duration::from_secs(8), "{time:?}");
    let unlimited = client_traffic_policy("timeout: {http: {requestReceivedTimeout: 0s}}");
    replace(&folder, &daemon, "clients.yaml", &unlimited);
    let (status, time) = drip(&daemon, 20);
    assert_eq!(status, 200);
    assert!(time >= Duration::from_secs(2), "{time:?}");
    let idle = client_traffic_policy("timeout: {http: {streamIdleTimeout: 1s}}");
    replace(&folder, &daemon, "clients.yaml", &idle);
    let (status, _) = drip(&daemon, 20);
    assert_eq!(status, 200, "each piece is in time");
    let mut stalled = daemon.connect();
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\nx");
    stalled.begin(head.as_bytes()).expect("sent");
    assert_eq!(stalled.answer().expect("an answer").status, 408);
}

#[test]
fn a_limit_that_is_turned_off_is_reported() {
    let (_folder, daemon) = site("timeout: {http: {idleTimeout: 0s}}");
    daemon.wait_for_diagnostic("GF0571");
    assert!(opened(&daemon).is_some());
}

/// The settings that the daemon announces, by their number, and the connection's window.
fn http2_settings(daemon: &Daemon) -> (BTreeMap<u16, u32>, u32) {
    let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat();
    stream.write_all(&preface).expect("sent");
    let mut announced = BTreeMap::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        stream.read_exact(&mut payload).expect("its payload");
        match head[3] {
            4 => announced.extend(payload.chunks_exact(6).map(|one| {
                let number = u16::from_be_bytes([one[0], one[1]]);
                (number, u32::from_be_bytes([one[2], one[3], one[4], one[5]]))
            })),
            8 => {
                let more = u32::from_be_bytes(payload[..4].try_into().expect("a number"));
                return (announced, 65_535 + more);
            }
            _ => {}
        }
    }
}

#[test]
fn http2_has_the_windows_and_streams_of_the_policy() {
    const STREAMS: u16 = 3;
    const WINDOW: u16 = 4;
    let settings = "http2: {initialStreamWindowSize: 512Ki, initialConnectionWindowSize: 8Mi, maxConcurrentStreams: 7}";
    let (folder, daemon) = site(settings);
    let (announced, window) = http2_settings(&daemon);
    assert_eq!(announced.get(&WINDOW), Some(&(512 << 10)));
    assert_eq!(announced.get(&STREAMS), Some(&7));
    assert_eq!(window, 8 << 20);
    let other = client_traffic_policy("http2: {onInvalidMessage: TerminateStream}");
    replace(&folder, &daemon, "clients.yaml", &other);
    let (announced, window) = http2_settings(&daemon);
    assert_eq!(announced.get(&WINDOW), Some(&(256 << 10)));
    assert_eq!(window, 1 << 20);
}
