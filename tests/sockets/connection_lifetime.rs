//! How long connections live (`connection.connectionLimit` of a ClientTrafficPolicy).

use crate::support::DEADLINE;
use crate::support::client::Client;
use crate::support::client_traffic::client_traffic_policy;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const HOST: &str = "www.example.com";
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

fn site(limit: &str) -> Daemon {
    let folder = Folder::with_route(HOST);
    let settings = format!("connection: {{connectionLimit: {{{limit}}}}}");
    folder.write("clients.yaml", client_traffic_policy(&settings));
    Daemon::of(&folder).echo().start()
}

/// Sends a request, and returns whether its response is the last one of the connection.
fn is_last(client: &mut Client) -> bool {
    let answer = client.get(HOST, "/", &[]).expect("an answer");
    assert_eq!(answer.status, 200);
    answer.header("connection") == Some("close")
}

#[test]
fn a_connection_ends_after_its_requests() {
    let daemon = site("maxRequestsPerConnection: 3");
    for _ in 0..2 {
        let mut client = daemon.connect();
        assert!(!is_last(&mut client) && !is_last(&mut client));
        assert!(is_last(&mut client), "the third response");
        assert!(
            client.get(HOST, "/", &[]).is_err(),
            "the connection is closed"
        );
    }
}

#[test]
fn a_connection_ends_after_its_time() {
    let daemon = site("maxConnectionDuration: 1s");
    let start = Instant::now();
    let mut busy = daemon.connect();
    let idle = TcpStream::connect(daemon.socket(80)).expect("a connection");
    while !is_last(&mut busy) {
        assert!(start.elapsed() < DEADLINE, "the connection never ends");
    }
    assert!(start.elapsed() >= Duration::from_secs(1), "too early");
    idle.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let closed = (&idle).read(&mut [0; 1]).expect("an end");
    assert_eq!(closed, 0, "a connection without a request is closed");
}

/// A request over HTTP/2 without a body, as a frame.
fn request(stream: u8) -> Vec<u8> {
    // `:method: GET`, `:scheme: http`, `:path: /` and the name `:authority` are in the static table (RFC 7541, appendix A).
    let mut block = vec![0x82, 0x86, 0x84, 0x41];
    block.push(u8::try_from(HOST.len()).expect("a short name"));
    block.extend(HOST.bytes());
    let length = u8::try_from(block.len()).expect("a short block");
    const END_STREAM_AND_HEADERS: u8 = 0x5;
    let head = [
        0,
        0,
        length,
        HEADERS,
        END_STREAM_AND_HEADERS,
        0,
        0,
        0,
        stream,
    ];
    [head.as_slice(), &block].concat()
}

/// Over HTTP/2 the client gets a GOAWAY, and the responses that are due.
#[test]
fn an_http2_connection_ends_after_its_requests() {
    let daemon = site("maxRequestsPerConnection: 2");
    let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat();
    stream.write_all(&preface).expect("sent");
    stream.write_all(&request(1)).expect("sent");
    stream.write_all(&request(3)).expect("sent");
    let (mut responses, mut goaway) = (0, false);
    while responses < 2 || !goaway {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        stream.read_exact(&mut payload).expect("its payload");
        match head[3] {
            HEADERS => responses += 1,
            GOAWAY => goaway = true,
            _ => {}
        }
    }
}
