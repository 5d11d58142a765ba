//! Bodies of requests that authorization servers get: `bodyToExtAuth` of SecurityPolicies and `forwardBody` of the filter.

use super::{HOST, route_with_filter, write};
use crate::support::backend::{ReceivedRequest, TestBackend, Wire, respond};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::grpc::GrpcClient;
use crate::support::grpc_auth_server::{GrpcAuthServer, GrpcReply};
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::network::{free_port, own_address};
use crate::support::protobuf::{bytes, number};
use std::io::{self, BufRead, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

/// The bodies that a server or a backend has received.
type Bodies = Arc<Mutex<Vec<Vec<u8>>>>;

fn read_body(request: &ReceivedRequest, wire: &mut Wire) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if request.header("transfer-encoding") != "chunked" {
        let length = request.header("content-length").parse().unwrap_or(0);
        wire.take(length).read_to_end(&mut body)?;
        return Ok(body);
    }
    loop {
        let mut line = String::new();
        wire.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        wire.take(length).read_to_end(&mut body)?;
        wire.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// A server that records the bodies, and answers with their length. It denies bodies that begin with `no`.
fn recorder() -> (TestBackend, Bodies) {
    let bodies = Bodies::default();
    let records = bodies.clone();
    let server = TestBackend::answering(move |request, wire| {
        let body = read_body(request, wire)?;
        let answer = body.len().to_string();
        let is_denied = body.starts_with(b"no");
        records.lock().expect("the bodies").push(body);
        if is_denied {
            return write(wire, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
        respond(wire, &answer)
    });
    (server, bodies)
}

fn policy(ext_auth: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: asks}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}}]
  extAuth: {{{ext_auth}}}
"
    )
}

/// `extAuth` over HTTP with this limit.
fn limit(bytes: usize) -> String {
    format!(
        "http: {{backendRefs: [{{name: auth, port: 3000}}]}}, bodyToExtAuth: {{maxRequestBytes: {bytes}}}"
    )
}

/// A folder with a route to `shop` whose policy asks `auth`.
fn folder(shop: SocketAddr, auth: SocketAddr, ext_auth: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", service("shop")),
        ("shop-slice.yaml", endpoint_slice("shop", shop)),
        ("auth.yaml", service("auth")),
        ("auth-slice.yaml", endpoint_slice("auth", auth)),
        ("policy.yaml", policy(ext_auth)),
    ])
}

/// A text without a period that a buffer could have.
fn text(length: usize) -> Vec<u8> {
    let numbers = (0_u32..).flat_map(|number| format!("{number},").into_bytes());
    numbers.take(length).collect()
}

/// The body in chunks of several sizes.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut rest = body;
    for size in [1, 7, 1000, 20_000].into_iter().cycle() {
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        coded.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        coded.extend_from_slice(piece);
        coded.extend_from_slice(b"\r\n");
        if piece.is_empty() {
            return coded;
        }
        rest = tail;
    }
    coded
}

/// Sends a request in chunks on a new connection.
fn send_chunked(daemon: &Daemon, body: &[u8]) -> u16 {
    let mut client = daemon.connect();
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let message = [head.as_bytes(), &chunked(body)].concat();
    client.begin(&message).expect("sent");
    client.answer().expect("an answer").status
}

fn send(daemon: &Daemon, body: &[u8]) -> u16 {
    let answer = daemon.connect().send("POST", HOST, "/", &[], body);
    answer.expect("an answer").status
}

/// Takes the bodies that both have received since the last time.
fn take(bodies: &[&Bodies; 2]) -> [Vec<Vec<u8>>; 2] {
    bodies.map(|bodies| std::mem::take(&mut *bodies.lock().expect("the bodies")))
}

#[test]
fn the_server_gets_the_body_and_then_the_backend_gets_it_whole() {
    let ((shop, at_shop), (auth, at_auth)) = (recorder(), recorder());
    let folder = folder(shop.address(), auth.address(), &limit(3 << 20));
    let daemon = Daemon::of(&folder).start();
    let both = [&at_auth, &at_shop];
    for length in [0, 1, 4096, 65_536, 65_537, 200_000, 3 << 20] {
        let body = text(length);
        assert_eq!(send(&daemon, &body), 200, "{length}");
        assert!(
            take(&both) == [vec![body.clone()], vec![body.clone()]],
            "{length}"
        );
        if length <= 65_536 {
            assert_eq!(send_chunked(&daemon, &body), 200, "{length}");
            assert!(
                take(&both) == [vec![body.clone()], vec![body.clone()]],
                "{length}"
            );
        }
        let mut client = GrpcClient::connect(daemon.socket(80));
        let message = String::from_utf8(body.clone()).expect("a text");
        let answer = client.send("POST", HOST, "/", "text/plain", &message);
        assert_eq!(answer.status, 200, "{length} over HTTP/2");
        assert!(
            take(&both) == [vec![body.clone()], vec![body]],
            "{length} over HTTP/2"
        );
    }
}

#[test]
fn an_http2_backend_gets_the_body_whole() {
    let (auth, at_auth) = recorder();
    let shop = crate::support::grpc::GrpcBackend::start("shop");
    let folder = folder(shop.address(), auth.address(), &limit(1 << 20));
    let h2c = service("shop").replace(
        "port: 3000",
        "port: 3000\n      appProtocol: kubernetes.io/h2c",
    );
    folder.write("shop.yaml", h2c);
    let daemon = Daemon::of(&folder).start();
    for length in [1, 65_537, 300_000] {
        let body = text(length);
        let answer = daemon.connect().send("POST", HOST, "/echo.A/B", &[], &body);
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{length}");
        assert!(answer.body == body, "{length}: the backend echoes it");
        let seen = std::mem::take(&mut *at_auth.lock().expect("the bodies"));
        assert!(seen == [body], "{length}");
    }
}

#[test]
fn a_longer_body_is_answered_413_and_asks_nobody() {
    let ((shop, at_shop), (auth, at_auth)) = (recorder(), recorder());
    let ext_auth = format!("{}, failOpen: true", limit(100));
    let folder = folder(shop.address(), auth.address(), &ext_auth);
    let daemon = Daemon::of(&folder).start();
    let both = [&at_auth, &at_shop];
    assert_eq!(send(&daemon, &text(100)), 200);
    take(&both);
    assert_eq!(send(&daemon, &text(101)), 413);
    assert_eq!(send_chunked(&daemon, &text(101)), 413);
    let mut client = GrpcClient::connect(daemon.socket(80));
    let message = "x".repeat(101);
    let answer = client.send("POST", HOST, "/", "text/plain", &message);
    assert_eq!(answer.status, 413);
    // In chunks, only as much as fits into Pingora's buffer can be forwarded.
    folder.write("policy.yaml", policy(&limit(1 << 20)));
    daemon.wait_for_summary("the policy", |_| {
        (send_chunked(&daemon, &text(65_537)) == 411).then_some(())
    });
    let none = <[Vec<Vec<u8>>; 2]>::default();
    assert!(take(&both) == none, "a server was asked");
    assert_eq!(send(&daemon, &text(65_537)), 200);
}

#[test]
fn a_denied_body_never_reaches_the_backend() {
    let ((shop, at_shop), (auth, at_auth)) = (recorder(), recorder());
    let folder = folder(shop.address(), auth.address(), &limit(1000));
    let daemon = Daemon::of(&folder).start();
    let mut client = daemon.connect();
    for (body, status) in [(&b"no"[..], 403), (b"yes", 200), (b"no", 403)] {
        let answer = client.send("POST", HOST, "/", &[], body);
        assert_eq!(answer.expect("an answer").status, status);
    }
    assert_eq!(*at_shop.lock().expect("the bodies"), [b"yes"]);
    assert_eq!(at_auth.lock().expect("the bodies").len(), 3);
}

#[test]
fn a_client_that_waits_for_permission_gets_it_before_the_server_is_asked() {
    let ((shop, at_shop), (auth, _)) = (recorder(), recorder());
    let folder = folder(shop.address(), auth.address(), &limit(1000));
    let daemon = Daemon::of(&folder).start();
    let mut stream = TcpStream::connect(daemon.socket(80)).expect("a connection");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut permission = [0; 25];
    stream.read_exact(&mut permission).expect("a permission");
    assert_eq!(&permission, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert_eq!(*at_shop.lock().expect("the bodies"), [b"body"]);
}

#[test]
fn the_body_is_sent_again_to_another_endpoint() {
    let ((shop, at_shop), (auth, at_auth)) = (recorder(), recorder());
    let folder = folder(shop.address(), auth.address(), &limit(1 << 20));
    let dead = SocketAddr::new(own_address(), free_port(own_address()));
    let other = endpoint_slice("shop", dead).replace("name: shop-1", "name: shop-2");
    folder.write("shop-slice-2.yaml", other);
    let daemon = Daemon::of(&folder).start();
    let body = text(200_000);
    for _ in 0..4 {
        assert_eq!(send(&daemon, &body), 200);
    }
    let seen = at_shop.lock().expect("the bodies");
    assert!(*seen == vec![body; 4], "each whole, and once");
    assert_eq!(at_auth.lock().expect("the bodies").len(), 4);
}

#[test]
fn a_server_that_is_asked_over_grpc_gets_the_body_and_so_does_that_of_a_filter() {
    let allowed = [bytes(1, number(1, 0)), bytes(3, "")].concat();
    let grpc = GrpcAuthServer::start(move |_| GrpcReply::Message(allowed.clone()));
    let ((shop, at_shop), (auth, at_auth)) = (recorder(), recorder());
    let ext_auth = "grpc: {backendRefs: [{name: grpc, port: 3000}]}, bodyToExtAuth: {maxRequestBytes: 5000000}";
    let folder = folder(shop.address(), auth.address(), ext_auth);
    folder.write("grpc.yaml", service("grpc"));
    folder.write("grpc-slice.yaml", endpoint_slice("grpc", grpc.address()));
    folder.write(
        "route.yaml",
        route_with_filter("protocol: HTTP, http: {}, forwardBody: {maxSize: 1000}"),
    );
    let daemon = Daemon::of(&folder).start();
    assert_eq!(send(&daemon, b"a \xff body"), 200);
    let http = grpc.last().1.at(&[4, 2]);
    assert_eq!(http.text(11), "a ! body");
    assert_eq!(http.number(9), 8);
    let partial = http.entry(3, "x-envoy-auth-partial-body");
    assert_eq!(partial.as_deref(), Some("false"));
    assert_eq!(*at_auth.lock().expect("the bodies"), [b"a \xff body"]);
    assert_eq!(*at_shop.lock().expect("the bodies"), [b"a \xff body"]);
    assert_eq!(send(&daemon, &text(1001)), 413, "the limit of the filter");
    let found = daemon.wait_for_diagnostic("GF0523").to_string();
    assert!(found.contains("bodyToExtAuth.maxRequestBytes"), "{found}");
}
