//! Many clients, and slow clients.

use crate::support::backend::{TestBackend, respond};
use crate::support::daemon::{Daemon, Start};
use crate::support::folder::Folder;
use crate::support::load::{Answers200, ClientKind, LoadTarget, Plan};
use crate::support::manifests::{endpoint_slice, gateway_with, route, service};
use crate::support::tls::{Authority, secret};
use crate::support::{DEADLINE, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const HOST: &str = "www.example.com";

/// A listener without TLS and one with TLS.
const LISTENERS: &str = "    - {name: http, protocol: HTTP, port: 80}
    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";

/// A folder that routes everything to one backend.
struct TlsSite {
    folder: Folder,
    authority: Authority,
    _backend: TestBackend,
}

impl TlsSite {
    fn new() -> Self {
        TlsSite::of(TestBackend::start("one"))
    }

    fn of(backend: TestBackend) -> Self {
        let authority = Authority::new();
        let pair = authority.issue(HOST);
        let folder = Folder::with([
            ("gateway.yaml", gateway_with(LISTENERS)),
            ("route.yaml", route("one", HOST)),
            ("service.yaml", service("one")),
            ("slice.yaml", endpoint_slice("one", backend.address())),
            ("cert.yaml", secret("cert", &pair.certificate, &pair.key)),
        ]);
        TlsSite {
            folder,
            authority,
            _backend: backend,
        }
    }

    fn target(&self, daemon: &Daemon) -> LoadTarget {
        LoadTarget {
            plain: daemon.socket(80),
            tls: daemon.socket(443),
            host: HOST.to_owned(),
            trust: Some(self.authority.trust()),
        }
    }
}

/// Clients that send one byte of a request's header per second, and never complete it.
struct SlowClients {
    /// A second handle of the first connection.
    first: TcpStream,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<TcpStream>>>,
}

impl SlowClients {
    fn connect(socket: SocketAddr, count: usize) -> Self {
        let mut streams: Vec<_> = (0..count)
            .map(|_| slow(socket, b"GET / HTTP/1.1\r\nHost: www.example.com\r\nX: "))
            .collect();
        let first = streams[0].try_clone().expect("a second handle");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_secs(1));
                for stream in &mut streams {
                    // Fails for connections that were closed, which is expected.
                    let _ = stream.write(b"x");
                }
            }
            streams
        });
        SlowClients {
            first,
            stop,
            thread: Some(thread),
        }
    }

    /// A handle of the first connection.
    fn first(&self) -> TcpStream {
        self.first.try_clone().expect("a third handle")
    }

    /// Stops sending and returns the connections.
    fn stop(mut self) -> Vec<TcpStream> {
        let thread = self.thread.take().expect("not stopped yet");
        self.stop.store(true, Ordering::Relaxed);
        thread.thread().unpark();
        thread.join().expect("the clients' thread")
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Opens a connection and sends the beginning of a request.
fn slow(socket: SocketAddr, beginning: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(socket).expect("a connection");
    stream.write_all(beginning).expect("sent");
    stream.set_nonblocking(true).expect("nonblocking");
    stream
}

/// Raises this process's limit of file descriptors to its maximum, and returns it.
fn raise_own_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("the soft limit may be raised to the hard one");
    maximum.unwrap_or(u64::MAX)
}

fn open_connections(daemon: &Daemon) -> f64 {
    let socket = daemon.socket(80);
    daemon.metric(&format!("gatefold_connections{{listener=\"{socket}\"}}"))
}

#[test]
fn thousands_of_slow_headers_are_cut_and_fail_no_other_request() {
    // The daemon has the same limit, and needs three descriptors per connection.
    let limit = usize::try_from(raise_own_limit()).unwrap_or(usize::MAX);
    let slow_clients = (limit / 4).min(5000);
    if slow_clients < 5000 {
        eprintln!(
            "only {slow_clients} slow clients: the hard limit of file descriptors is {limit}"
        );
    }
    let site = TlsSite::new();
    let daemon = Daemon::of(&site.folder).start();
    let clients = SlowClients::connect(daemon.socket(80), slow_clients);
    eventually("all slow clients are connected", || {
        (open_connections(&daemon) >= slow_clients as f64).then_some(())
    });
    let began = Instant::now();
    // Ten clients that send fifty requests per second each, if the machine is fast enough.
    let plan = Plan::to(site.target(&daemon))
        .clients(ClientKind::Kept, 4)
        .clients(ClientKind::Fresh, 3)
        .clients(ClientKind::Http2, 2)
        .clients(ClientKind::TlsKept, 1);
    let load = plan.pace(Duration::from_millis(20)).start(Answers200);
    let mut first = clients.first();
    let cut = eventually("the first slow client is answered", || {
        load.check();
        let mut answer = [0; 12];
        match first.read(&mut answer) {
            Ok(read) => Some(answer[..read].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("the first slow client is cut without an answer: {error}"),
        }
    });
    assert_eq!(cut, b"HTTP/1.1 408");
    let cut = "gatefold_connections_closed_total{reason=\"header_timeout\"}";
    eventually("all slow clients are cut", || {
        load.check();
        (daemon.metric(cut) >= slow_clients as f64).then_some(())
    });
    let took = began.elapsed();
    eprintln!("{slow_clients} slow clients were cut after {took:?}; other clients:");
    eprint!("{}", load.finish());
    drop(clients);
}

#[test]
fn a_slow_header_is_answered_408_without_and_with_tls() {
    let site = TlsSite::new();
    let daemon = Daemon::of(&site.folder).start();
    let mut plain = slow(daemon.socket(80), b"GET / HTTP/1.1\r\n");
    let (mut tls, _) = site
        .authority
        .connect(daemon.socket(443), HOST)
        .expect("a TLS session");
    tls.begin(b"GET / HTTP/1.1\r\n").expect("sent");
    let began = Instant::now();
    let mut answer = Vec::new();
    eventually("the port without TLS answers", || {
        let _ = plain.write(b"a");
        match plain.read_to_end(&mut answer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            _ => Some(()),
        }
    });
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 408 "), "{text:?}");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(9), "{waited:?}");
    assert_eq!(tls.answer().expect("an answer").status, 408);
}

/// Exhausts the daemon's connections with clients that never finish. Checks that the daemon stays healthy meanwhile, and
/// that requests are served after the clients have gone.
#[track_caller]
fn survives_more_clients_than_descriptors(start: Start<'_>, site: &TlsSite) -> Daemon {
    let daemon = start.descriptors(256).start();
    let clients = SlowClients::connect(daemon.socket(80), 400);
    let paused = || {
        let pauses = ["limit", "file_descriptors"];
        let name = |reason| format!("gatefold_accept_pauses_total{{reason=\"{reason}\"}}");
        pauses
            .map(name)
            .iter()
            .map(|name| daemon.metric(name))
            .sum::<f64>()
    };
    eventually("accepting pauses", || (paused() > 0.0).then_some(()));
    let (began, spent) = (Instant::now(), daemon.processor_time());
    while began.elapsed() < Duration::from_secs(2) {
        let answer = daemon.admin("/livez");
        assert_eq!(answer.status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    let spent = daemon.processor_time() - spent;
    assert!(
        spent < Duration::from_millis(700),
        "the daemon spins: {spent:?} of processor time in 2 s"
    );
    drop(clients.stop());
    let freed = Instant::now();
    daemon.wait_for_status(HOST, "/", 200);
    let after = freed.elapsed();
    assert!(
        after < Duration::from_secs(2),
        "served again after {after:?}"
    );
    let load = Plan::to(site.target(&daemon))
        .every_kind()
        .start(Answers200);
    load.finish();
    daemon
}

#[test]
fn clients_beyond_the_limit_wait_and_are_served_later() {
    let site = TlsSite::new();
    let daemon = survives_more_clients_than_descriptors(Daemon::of(&site.folder), &site);
    assert_eq!(daemon.metric("gatefold_connections_limit"), 48.0);
    let missing = "gatefold_accept_pauses_total{reason=\"file_descriptors\"}";
    assert_eq!(
        daemon.metric(missing),
        0.0,
        "the limit must be reached before the file descriptors"
    );
}

#[test]
fn a_daemon_without_file_descriptors_recovers_and_its_admin_api_answers() {
    let site = TlsSite::new();
    let start = Daemon::of(&site.folder).arg("--max-connections=1000");
    let daemon = survives_more_clients_than_descriptors(start, &site);
    let missing = "gatefold_accept_pauses_total{reason=\"file_descriptors\"}";
    assert!(
        daemon.metric(missing) > 0.0,
        "the file descriptors must be exhausted before the limit"
    );
    let log = daemon.log();
    let warnings = log.matches("can't accept").count();
    assert!((1..=3).contains(&warnings), "{warnings} warnings");
    assert!(
        log.contains("--max-connections is more than 256 file descriptors can be sure to serve"),
        "the warning at the start is missing"
    );
}

/// Opens an HTTP/2 connection with maximum windows, and sends `requests` requests for `/` of [`HOST`].
fn http2_client(socket: SocketAddr, requests: u8) -> TcpStream {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE for streams, WINDOW_UPDATE for the connection.
    bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
    bytes.extend([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
    for request in 0..requests {
        // GET, http, `/`, and the authority as a literal (RFC 7541); END_STREAM and END_HEADERS.
        let block = [&[0x82, 0x86, 0x84, 0x41, 15], HOST.as_bytes()].concat();
        bytes.extend([0, 0, 20, 1, 5, 0, 0, 0, 2 * request + 1]);
        bytes.extend(block);
    }
    let mut stream = TcpStream::connect(socket).expect("a connection");
    stream.write_all(&bytes).expect("sent");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    stream
}

/// Reads frames until `streams` streams have ended, and returns the number of bytes of data.
fn read_streams(stream: TcpStream, streams: u8) -> std::io::Result<usize> {
    let mut stream = BufReader::new(stream);
    let (mut ended, mut data) = (0, 0);
    while ended < streams {
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        let [l0, l1, l2, kind, flags, ..] = header;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        stream.read_exact(&mut vec![0; length])?;
        if kind == 0 {
            data += length;
        }
        if kind <= 1 && flags & 1 == 1 {
            ended += 1;
        }
    }
    Ok(data)
}

#[test]
fn a_connection_with_unread_responses_is_not_closed_for_a_waiting_client() {
    /// Together more than the system buffers for a client that does not read, each less than HTTP/2's buffer.
    const REQUESTS: u8 = 60;
    const BODY: usize = 300 * 1024;
    let backend = TestBackend::answering(|_, wire| respond(wire, &"x".repeat(BODY)));
    let site = TlsSite::of(backend);
    let daemon = Daemon::of(&site.folder).arg("--max-connections=1").start();
    let client = http2_client(daemon.socket(80), REQUESTS);
    eventually("all responses are complete except for their client", || {
        let done = daemon.metric("gatefold_requests_total{class=\"2xx\"}");
        (done == f64::from(REQUESTS)).then_some(())
    });
    let _waiting = daemon.connect();
    eventually("another client waits for a connection", || {
        let pauses = "gatefold_accept_pauses_total{reason=\"limit\"}";
        (daemon.metric(pauses) > 0.0).then_some(())
    });
    let data = read_streams(client, REQUESTS).expect("all responses must be complete");
    assert_eq!(data, usize::from(REQUESTS) * BODY);
}
