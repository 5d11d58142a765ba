//! Requests with malformed framing: each is refused, and no backend receives a request that was not routed.

use crate::support::DEADLINE;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::network::{free_port, own_address};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// A request that must never reach a backend.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A backend that records every byte it receives, and answers each complete request.
struct Recorder {
    address: SocketAddr,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    fn start() -> Self {
        let ip = own_address();
        let address = SocketAddr::new(ip, free_port(ip));
        let listener = TcpListener::bind(address).expect("the backend's socket");
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let recorded = bytes.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let recorded = recorded.clone();
                thread::spawn(move || record(stream, &recorded));
            }
        });
        Recorder { address, bytes }
    }

    /// All received bytes.
    fn seen(&self) -> String {
        let bytes = self.bytes.lock().expect("no panic");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn record(mut stream: TcpStream, recorded: &Mutex<Vec<u8>>) {
    let mut request = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        recorded
            .lock()
            .expect("no panic")
            .extend_from_slice(&piece[..count]);
        request.extend_from_slice(&piece[..count]);
        if is_whole(&request) {
            request.clear();
            if stream.write_all(OK).is_err() {
                return;
            }
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => body.len() >= length.parse().expect("a length"),
        None => !head.contains("transfer-encoding") || body.ends_with("0\r\n\r\n"),
    }
}

struct RecordedSite {
    daemon: Daemon,
    recorder: Recorder,
    _folder: Folder,
}

/// Starts a daemon that routes every host to the recorder.
fn site() -> RecordedSite {
    let recorder = Recorder::start();
    let any_host = route("one", "a").replace("  hostnames:\n    - a\n", "");
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", any_host),
        ("service.yaml", service("one")),
        ("slice.yaml", endpoint_slice("one", recorder.address)),
    ]);
    let daemon = Daemon::of(&folder).start();
    RecordedSite {
        daemon,
        recorder,
        _folder: folder,
    }
}

/// Sends these bytes on a new connection, and reads until the daemon closes it.
fn exchange(daemon: &Daemon, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(ended.is_ok(), "{ended:?} after {answer:?}");
    answer
}

fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines
        .map(|line| line[..3].parse().expect("a status"))
        .collect()
}

fn chunked(body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}")
}

fn fields(count: usize) -> String {
    let fields: String = (0..count)
        .map(|field| format!("X-{field}: y\r\n"))
        .collect();
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// The bytes, the statuses of the answers, and the maximum number of requests that the backend may receive in part.
type Case = (String, &'static [u16], usize);

fn malformed_heads() -> Vec<Case> {
    let good = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let long = "x".repeat(65_535);
    let close = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    vec![
        (format!("{close}\r\n"), &[200], 1),
        ("GET /a HTTP/1.1\nHost: a\r\n\r\n".into(), &[400], 0),
        ("GET /a HTTP/1.1\r\nHost: a\n\r\n".into(), &[400], 0),
        ("GET /a HTTP/1.1\r\nHost: a\r\n\n".into(), &[400], 0),
        (format!("{close}X: a\n b\r\n\r\n"), &[400], 0),
        (format!("{close}X: a\r\n b\r\n\r\n"), &[400], 0),
        (format!("{close}X: a\0b\r\n\r\n"), &[400], 0),
        (format!("{close}X : a\r\n\r\n"), &[400], 0),
        (format!("{close}: a\r\n\r\n"), &[400], 0),
        (line("/a b"), &[400], 0),
        (line("/a\0b"), &[400], 0),
        (line("/a\x01b"), &[400], 0),
        (line("/a\tb"), &[400], 0),
        (line("/a\x7fb"), &[400], 0),
        (line(" /a"), &[400], 0),
        ("GET /a\r\n\r\n".into(), &[400], 0),
        ("GET /a HTTP/4.0\r\nHost: a\r\n\r\n".into(), &[400], 0),
        ("G(T /a HTTP/1.1\r\nHost: a\r\n\r\n".into(), &[400], 0),
        (line(&format!("/{long}")), &[414], 0),
        (format!("{close}X: {long}\r\n\r\n"), &[431], 0),
        (fields(256), &[431], 0),
        (format!("{good}{}", line("/a b")), &[200, 400], 1),
        (format!("{close}Host: b\r\n\r\n"), &[400], 0),
    ]
}

fn malformed_bodies() -> Vec<Case> {
    let close = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    vec![
        (chunked("2;\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("2\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("2;a=\0\r\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("\r\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked(";a\r\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("0x2\r\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("+2\r\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("2\r\nxxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("fffffffffffffffff\r\nxx\r\n0\r\n\r\n"), &[400], 1),
        (chunked("0\r\nX: y\n\r\n"), &[400], 1),
        (chunked("0\r\n"), &[400], 1),
        (
            format!("{close}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
            &[400],
            0,
        ),
        (
            format!("{close}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            &[400],
            0,
        ),
        (
            format!("{close}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            &[400],
            0,
        ),
        (
            "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            &[400],
            0,
        ),
    ]
}

#[test]
fn malformed_requests_are_refused_and_smuggle_no_request() {
    let cases = [malformed_heads(), malformed_bodies()].concat();
    let site = site();
    for (number, (request, wanted, _)) in cases.iter().enumerate() {
        let request = request.replace("/a", &path(number));
        let shown = &request[..request.len().min(120)];
        let answer = exchange(&site.daemon, request.as_bytes());
        assert_eq!(statuses(&answer), *wanted, "{shown:?} got {answer:?}");
        let own = wanted.iter().filter(|status| **status >= 400).count();
        let servers = answer
            .to_ascii_lowercase()
            .matches("server: gatefold\r\n")
            .count();
        assert_eq!(servers, own, "{shown:?} got {answer:?}");
        assert!(!answer.contains("Pingora"), "{shown:?} got {answer:?}");
    }
    let seen = site.recorder.seen();
    assert!(!seen.contains("smuggled"), "{seen:?}");
    for (number, (request, _, most)) in cases.iter().enumerate() {
        let requests = seen.matches(&path(number)).count();
        assert!(
            requests <= *most,
            "{request:?} became {requests} of {seen:?}"
        );
    }
}

/// A path for this number that no path of another number contains.
fn path(number: usize) -> String {
    format!("/case-{number}-")
}

#[test]
fn the_answer_to_a_malformed_request_names_the_reason() {
    let site = site();
    for (request, text) in [
        (
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "target without spaces",
        ),
        ("GET /a HTTP/1.1\nHost: a\r\n\r\n", "line feed"),
        (&fields(256), "256 header fields"),
        (&chunked("x\r\n"), "malformed chunks"),
    ] {
        let answer = exchange(&site.daemon, request.as_bytes());
        assert!(answer.contains(text), "{request:?} got {answer:?}");
        assert!(answer.contains("\r\nDate: "), "{answer:?}");
    }
    let to_head = exchange(&site.daemon, b"HEAD /a HTTP/1.1\r\nHost: a\n\r\n");
    assert!(
        to_head.ends_with("\r\n\r\n"),
        "the answer to HEAD must have no body: {to_head:?}"
    );
}

#[test]
fn serves_well_formed_requests_in_pieces_of_any_size() {
    let site = site();
    let requests = "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\nab\r\n0\r\nT: v\r\n\r\n\
        POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\n\n\0\n\
        GET /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (before, size) in [1, 7, requests.len()].into_iter().enumerate() {
        let mut stream = TcpStream::connect(site.daemon.socket(80)).expect("a connection");
        stream.set_nodelay(true).expect("set");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        for piece in requests.as_bytes().chunks(size) {
            stream.write_all(piece).expect("sent");
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        assert_eq!(
            statuses(&answer),
            [200; 4],
            "in pieces of {size}: {answer:?}"
        );
        let seen = site.recorder.seen();
        let requests = seen.matches(" HTTP/1.1\r\n").count();
        assert_eq!(requests, 4 * (before + 1), "{seen:?}");
    }
}

#[test]
fn an_http_1_0_request_without_a_host_is_forwarded_with_an_empty_host() {
    let site = site();
    let answer = exchange(&site.daemon, b"GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(statuses(&answer), [200], "{answer:?}");
    let seen = site.recorder.seen().to_ascii_lowercase();
    assert!(seen.contains("\r\nhost: \r\n"), "{seen:?}");
}

#[test]
fn answers_a_large_header_while_its_client_still_sends() {
    let site = site();
    let mut stream = TcpStream::connect(site.daemon.socket(80)).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    let mut writer = stream.try_clone().expect("a second handle");
    let sending = thread::spawn(move || {
        writer
            .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nX: ")
            .expect("sent");
        // Far more than the buffers between client and daemon hold.
        for _ in 0..32 {
            writer
                .write_all(&[b'x'; 1 << 20])
                .expect("the connection must not be reset");
        }
    });
    sending.join().expect("all of it is sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 431");
}
