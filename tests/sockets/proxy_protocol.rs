//! PROXY headers (`proxyProtocol` of a ClientTrafficPolicy): whom they name, and which connections are closed.

mod haproxy;

use crate::support::client::{Client, Response};
use crate::support::client_traffic::{client_traffic_policy, remove, replace};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_named, route, service};
use crate::support::tls::{Authority, secret};
use crate::support::{DEADLINE, eventually};
use serde_json::json;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

const HOST: &str = "www.example.com";
const V1: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 4242 80\r\n";
const V2_PREFIX: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
/// Only clients of this network pass.
const OFFICE: &str = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: office}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  authorization: {rules: [{action: Allow, principal: {clientCIDRs: [198.51.100.0/24]}}]}
";

/// A header of version 2.
fn binary(command: u8, family: u8, length: usize, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(length).expect("a length").to_be_bytes();
    [V2_PREFIX, &[command, family], &length, rest].concat()
}

/// A header of version 2 for 198.51.100.7, with a TLV.
fn v2() -> Vec<u8> {
    let addresses = [198, 51, 100, 7, 192, 0, 2, 1, 0x10, 0x92, 0, 80];
    let rest = [&addresses[..], &[4, 0, 2, 0, 0]].concat();
    binary(0x21, 0x11, rest.len(), &rest)
}

fn site(settings: &str) -> (Folder, Daemon) {
    let folder = Folder::with_route(HOST);
    folder.write("clients.yaml", client_traffic_policy(settings));
    let daemon = Daemon::of(&folder).echo().arg("--access-log").start();
    (folder, daemon)
}

/// Sends bytes on a new connection, and reads an answer.
fn exchange(socket: SocketAddr, bytes: &[u8]) -> io::Result<Response> {
    let mut client = Client::connect(socket)?;
    // The daemon may have closed the connection before all bytes are sent.
    let _ = client.begin(bytes);
    client.answer()
}

/// The client that the backend is told of.
fn client_of(daemon: &Daemon, header: &[u8]) -> String {
    let answer = exchange(daemon.socket(80), &[header, REQUEST].concat());
    forwarded_for(&answer.expect("an answer"))
}

fn forwarded_for(answer: &Response) -> String {
    let list = answer.json()["headers"]["X-Forwarded-For"].clone();
    let list: Vec<String> = serde_json::from_value(list).expect("a list");
    list.join(" / ")
}

fn closed(daemon: &Daemon) -> f64 {
    daemon.metric("gatefold_connections_closed_total{reason=\"proxy_header\"}")
}

#[test]
fn a_header_names_the_client() {
    let (folder, daemon) = site("proxyProtocol: {}");
    let peer = daemon.address().to_string();
    assert_eq!(client_of(&daemon, V1), "198.51.100.7");
    assert_eq!(client_of(&daemon, &v2()), "198.51.100.7");
    let ipv6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4242 80\r\n";
    assert_eq!(client_of(&daemon, ipv6), "2001:db8::7");
    let mapped = b"PROXY TCP6 ::ffff:198.51.100.7 ::1 4242 80\r\n";
    assert_eq!(client_of(&daemon, mapped), "198.51.100.7");
    for own in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        binary(0x20, 0x00, 0, b""),
        binary(0x21, 0x31, 216, &[b'/'; 216]),
    ] {
        // The test connects from the address of the daemon's loopback network.
        let client = client_of(&daemon, &own);
        assert!(client.starts_with("127."), "{client} instead of {peer}");
    }
    // The older field means the same.
    let older = client_traffic_policy("enableProxyProtocol: true");
    replace(&folder, &daemon, "clients.yaml", &older);
    assert_eq!(client_of(&daemon, V1), "198.51.100.7");
    assert!(exchange(daemon.socket(80), REQUEST).is_err());
}

#[test]
fn the_client_is_the_one_that_policies_and_logs_know() {
    let (folder, daemon) = site("proxyProtocol: {}");
    replace(&folder, &daemon, "office.yaml", OFFICE);
    let status = |header: &[u8]| {
        let answer = exchange(daemon.socket(80), &[header, REQUEST].concat());
        answer.expect("an answer").status
    };
    assert_eq!(status(V1), 200);
    assert_eq!(status(b"PROXY TCP4 203.0.113.1 192.0.2.1 4242 80\r\n"), 403);
    assert_eq!(status(b"PROXY UNKNOWN\r\n"), 403, "the proxy is the client");
    // The header names the sender of a list that it may be trusted with.
    let trusted = "proxyProtocol: {}
  clientIPDetection: {xForwardedFor: {trustedCIDRs: [203.0.113.0/24]}}";
    replace(
        &folder,
        &daemon,
        "clients.yaml",
        &client_traffic_policy(trusted),
    );
    let request =
        "GET / HTTP/1.1\r\nHost: www.example.com\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n";
    let through = |proxy: &str| {
        let header = format!("PROXY TCP4 {proxy} 192.0.2.1 4242 80\r\n");
        let answer = exchange(daemon.socket(80), (header + request).as_bytes());
        answer.expect("an answer").status
    };
    assert_eq!(through("203.0.113.1"), 200);
    assert_eq!(through("192.0.2.9"), 403, "another proxy");
    eventually("the log names the client", || {
        daemon.log().contains("192.0.2.9:4242").then_some(())
    });
}

#[test]
fn a_header_may_arrive_in_pieces() {
    let (_folder, daemon) = site("proxyProtocol: {}");
    for header in [V1.to_vec(), v2()] {
        let bytes = [&header[..], REQUEST].concat();
        // Cut in the middle, then byte by byte.
        for size in [header.len() / 2, 1] {
            let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
            for piece in bytes.chunks(size) {
                stream.write_all(piece).expect("sent");
                std::thread::yield_now();
            }
            let answer = Client::over(stream).answer().expect("an answer");
            assert_eq!(forwarded_for(&answer), "198.51.100.7", "pieces of {size}");
        }
    }
}

#[test]
fn a_connection_without_a_usable_header_is_closed() {
    let (_folder, daemon) = site("proxyProtocol: {}");
    let too_short = binary(0x21, 0x11, 11, &[1; 11]);
    let endless = [b"PROXY TCP4 ".as_slice(), &vec![b'1'; 100 * 1024]].concat();
    let huge = binary(0x21, 0x11, 0xffff, &vec![1; 0xffff]);
    let cases = [
        ("no header", REQUEST.to_vec()),
        ("a TLS ClientHello", b"\x16\x03\x01\x02\x00".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("no addresses", [b"PROXY TCP4\r\n", REQUEST].concat()),
        (
            "a length below that of the addresses",
            [&too_short, REQUEST].concat(),
        ),
        ("100 KiB without an end", endless),
        ("a length of 64 KiB", huge),
    ];
    for (index, (name, bytes)) in cases.iter().enumerate() {
        let answer = exchange(daemon.socket(80), bytes);
        assert!(answer.is_err(), "{name}: {answer:?}");
        let count = f64::from(u32::try_from(index).expect("a number")) + 1.0;
        eventually(name, || (closed(&daemon) >= count).then_some(()));
    }
    // A length beyond the addresses covers a part of the request.
    let addresses = [198, 51, 100, 7, 192, 0, 2, 1, 0x10, 0x92, 0, 80];
    let too_long = binary(0x21, 0x11, 12 + 4, &addresses);
    let answer = exchange(daemon.socket(80), &[&too_long, REQUEST].concat());
    assert_eq!(
        answer.expect("an answer").status,
        400,
        "the rest isn't a request"
    );
    // The client closes its side within the header.
    let mut cut = TcpStream::connect(daemon.socket(80)).expect("a connection");
    cut.write_all(&V1[..20]).expect("sent");
    cut.shutdown(std::net::Shutdown::Write).expect("closed");
    assert_eq!(cut.read(&mut [0]).unwrap_or_default(), 0);
    let lines = daemon
        .log()
        .matches("without a usable PROXY header")
        .count();
    assert_eq!(lines, 1, "the log is quiet:\n{}", daemon.log());
    assert_eq!(client_of(&daemon, V1), "198.51.100.7", "others are served");
}

#[test]
fn an_optional_header_may_be_missing() {
    let (_folder, daemon) = site("proxyProtocol: {optional: true}");
    assert_eq!(client_of(&daemon, V1), "198.51.100.7");
    assert!(client_of(&daemon, b"").starts_with("127."));
    // These begin like a header.
    for method in ["PUT", "PROPFIND", "PRI"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
        let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        for byte in request.as_bytes() {
            stream.write_all(&[*byte]).expect("sent");
        }
        let answer = Client::over(stream).answer().expect("an answer");
        assert_eq!(answer.status, 200, "{method}");
    }
    let malformed = [b"PROXY TCP4 nonsense\r\n", REQUEST].concat();
    assert!(exchange(daemon.socket(80), &malformed).is_err());
    assert_eq!(get_over_http2(&daemon, b""), 200);
}

#[test]
fn without_a_policy_a_header_is_a_malformed_request() {
    let (_folder, daemon) = site("clientIPDetection: {directSourceIP: {}}");
    let answer = exchange(daemon.socket(80), &[V1, REQUEST].concat());
    assert_eq!(answer.expect("an answer").status, 400);
    assert!(closed(&daemon).abs() < f64::EPSILON);
}

#[test]
fn http2_follows_a_header() {
    let (_folder, daemon) = site("proxyProtocol: {}");
    assert_eq!(get_over_http2(&daemon, V1), 200);
    assert_eq!(get_over_http2(&daemon, &v2()), 200);
}

/// Sends a request over HTTP/2 with prior knowledge, after a header.
fn get_over_http2(daemon: &Daemon, header: &[u8]) -> u16 {
    use tokio::io::AsyncWriteExt;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(daemon.socket(80)).await;
        let mut stream = stream.expect("a connection");
        stream.write_all(header).await.expect("sent");
        let (mut sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = http::Request::get(format!("http://{HOST}/"));
        let request = request.body(()).expect("a request");
        let (answer, _) = sender.send_request(request, true).expect("a stream");
        let answer = tokio::time::timeout(DEADLINE, answer).await;
        answer
            .expect("in time")
            .expect("an answer")
            .status()
            .as_u16()
    })
}

/// A folder with an HTTPS listener.
fn tls_site(authority: &Authority) -> Folder {
    let pair = authority.issue(HOST);
    let listener =
        "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";
    Folder::with([
        ("gateway.yaml", gateway_named("edge", listener)),
        ("cert.yaml", secret("cert", &pair.certificate, &pair.key)),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", service("shop")),
        ("clients.yaml", client_traffic_policy("proxyProtocol: {}")),
    ])
}

#[test]
fn a_header_comes_before_tls() {
    let authority = Authority::new();
    let folder = tls_site(&authority);
    let daemon = Daemon::of(&folder).echo().start();
    let socket = daemon.socket(443);
    let named = |header: &[u8]| {
        let tcp = TcpStream::connect(socket)?;
        let (mut client, _) = Authority::connect_after(authority.trust(), tcp, header, HOST)?;
        client.get(HOST, "/", &[])
    };
    assert_eq!(
        forwarded_for(&named(V1).expect("an answer")),
        "198.51.100.7"
    );
    assert_eq!(
        forwarded_for(&named(&v2()).expect("an answer")),
        "198.51.100.7"
    );
    assert!(named(b"").is_err(), "no header");
}

#[test]
fn switching_headers_on_and_off_leaves_open_connections() {
    let (folder, daemon) = site("clientIPDetection: {directSourceIP: {}}");
    let mut before = daemon.connect();
    assert_eq!(before.get(HOST, "/", &[]).expect("an answer").status, 200);
    let required = client_traffic_policy("proxyProtocol: {}");
    replace(&folder, &daemon, "clients.yaml", &required);
    assert_eq!(before.get(HOST, "/", &[]).expect("an answer").status, 200);
    assert!(exchange(daemon.socket(80), REQUEST).is_err());
    let mut during = daemon.connect();
    during.begin(&[V1, REQUEST].concat()).expect("sent");
    let answer = during.answer().expect("an answer");
    assert_eq!(forwarded_for(&answer), "198.51.100.7");
    remove(&folder, &daemon, "clients.yaml");
    let answer = during.get(HOST, "/", &[]).expect("an answer");
    assert_eq!(
        forwarded_for(&answer),
        "198.51.100.7",
        "the same connection"
    );
    assert_eq!(before.get(HOST, "/", &[]).expect("an answer").status, 200);
    assert_eq!(daemon.get(HOST, "/").status, 200);
}

#[test]
fn listeners_of_a_socket_must_agree() {
    let (folder, daemon) = site("proxyProtocol: {}");
    let other = gateway_named(
        "other",
        "    - {name: http, protocol: HTTP, port: 80, hostname: other.example}\n",
    );
    let other_route = route("one", "other.example")
        .replace("name: edge", "name: other")
        .replace("  name: one\nspec", "  name: other\nspec");
    folder.write("other-route.yaml", other_route);
    replace(&folder, &daemon, "other.yaml", &other);
    // The other listener wants no headers, and gets none. Its neighbour is closed.
    assert_eq!(daemon.wait_for_status(HOST, "/", 500).status, 500);
    assert_eq!(daemon.get("other.example", "/").status, 200);
    let answer = exchange(daemon.socket(80), &[V1, REQUEST].concat());
    assert_eq!(answer.expect("an answer").status, 400);
    daemon.wait_for_diagnostic("GF0570");
    let policies = "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/default/clienttrafficpolicies";
    let policy = daemon.admin_json(&format!("{policies}/clients"));
    let accepted = condition(&policy["status"]["ancestors"][0], "Accepted");
    assert_eq!(accepted["status"], json!("False"));
    assert_eq!(accepted["reason"], json!("Conflicted"));
    remove(&folder, &daemon, "other.yaml");
    let served = eventually("the first Gateway is served again", || {
        let answer = exchange(daemon.socket(80), &[V1, REQUEST].concat()).ok()?;
        (answer.status == 200).then(|| forwarded_for(&answer))
    });
    assert_eq!(served, "198.51.100.7");
}
