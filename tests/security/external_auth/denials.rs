//! What doesn't pass with `failOpen`: denials that are broken, and requests that no server can be asked about.

use super::{HOST, ask, hang, write};
use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::grpc_auth_server::{GrpcAuthServer, GrpcReply};
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::network::{free_port, own_address};
use crate::support::protobuf::{bytes, number};
use std::io;
use std::net::SocketAddr;

const OVER_HTTP: &str = "http: {backendRefs: [{name: auth, port: 3000}]}, timeout: 2s";
const OVER_GRPC: &str = "grpc: {backendRefs: [{name: auth, port: 3000}]}";

/// A folder with a route whose policy asks `auth`, and lets requests pass without an answer.
fn folder(auth: SocketAddr, ext_auth: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", service("shop")),
        ("auth.yaml", service("auth")),
        ("auth-slice.yaml", endpoint_slice("auth", auth)),
        (
            "policy.yaml",
            format!(
                "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: asks}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}}]
  extAuth: {{{ext_auth}, failOpen: true}}
"
            ),
        ),
    ])
}

#[test]
fn a_denial_over_http_stays_one_without_its_body() {
    let long = "x".repeat(100_000);
    let hangs = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nab";
    for (head, status) in [
        (
            format!("HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n{long}"),
            403,
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 5\r\n\r\nab".to_owned(),
            302,
        ),
        (hangs.to_owned(), 401),
    ] {
        let auth = TestBackend::answering(move |request, wire| {
            write(wire, &head)?;
            if head == hangs {
                return hang(request, wire);
            }
            Err(io::ErrorKind::ConnectionReset.into())
        });
        let daemon = Daemon::of(&folder(auth.address(), OVER_HTTP))
            .echo()
            .start();
        let denied = ask(&daemon, "/", &[]);
        assert_eq!((denied.status, denied.text().as_str()), (status, ""));
        let location = (status == 302).then_some("/login");
        assert_eq!(denied.header("location"), location);
    }
}

#[test]
fn a_denial_over_grpc_stays_one_whatever_it_contains() {
    let header =
        |name: &str, value: &str| bytes(2, bytes(1, [bytes(1, name), bytes(2, value)].concat()));
    let headers = [
        header("x-bad", "a\r\nb: c"),
        header("a b", "1"),
        header("x-good", "1"),
    ];
    let denied = [bytes(1, number(1, 401)), headers.concat()].concat();
    let denied = [bytes(1, number(1, 16)), bytes(2, denied)].concat();
    let auth = GrpcAuthServer::start(move |question| {
        GrpcReply::Message(match question.at(&[4, 2]).text(4).as_str() {
            "/long" => [bytes(1, number(1, 7)), bytes(100, vec![b'x'; 100_000])].concat(),
            _ => denied.clone(),
        })
    });
    let daemon = Daemon::of(&folder(auth.address(), OVER_GRPC))
        .echo()
        .start();
    let answer = ask(&daemon, "/", &[]);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("x-good"), Some("1"));
    assert_eq!(answer.header("x-bad"), None);
    assert_eq!(ask(&daemon, "/long", &[]).status, 403);
}

#[test]
fn a_request_that_no_server_can_be_asked_about_does_not_pass() {
    let dead = SocketAddr::new(own_address(), free_port(own_address()));
    let folder = folder(dead, OVER_HTTP);
    folder.write("route.yaml", route("shop", "'*.example.com'"));
    let h2c = service("auth").replace(
        "port: 3000",
        "port: 3000\n      appProtocol: kubernetes.io/h2c",
    );
    folder.write("auth.yaml", h2c);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(ask(&daemon, "/", &[]).status, 200, "the server is dead");
    let denied = daemon.connect().get("a%41.example.com", "/", &[]);
    assert_eq!(denied.expect("an answer").status, 403);
}

#[test]
fn a_question_that_is_longer_than_servers_accept_is_answered_413() {
    let auth = GrpcAuthServer::start(|_| GrpcReply::Message(bytes(3, "")));
    let ext_auth = format!("{OVER_GRPC}, bodyToExtAuth: {{maxRequestBytes: 4194304}}");
    let daemon = Daemon::of(&folder(auth.address(), &ext_auth))
        .echo()
        .start();
    let send = |length: usize| {
        let body = vec![b'x'; length];
        let answer = daemon.connect().send("POST", HOST, "/", &[], &body);
        answer.expect("an answer").status
    };
    assert_eq!(send(4_190_000), 200);
    assert_eq!(send(4_194_300), 413);
    assert_eq!(auth.count(), 1);
}
