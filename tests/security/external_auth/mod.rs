//! External authorization: what the server is asked, and that nothing passes without its permission.

mod body;
mod denials;
mod filter;
mod grpc;
mod policy;
mod rerouting;

use crate::support::backend::{ReceivedRequest, TestBackend, Wire};
use crate::support::client::Response;
use crate::support::daemon::Daemon;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

pub(super) const HOST: &str = "www.example.com";
pub(super) const GOOD: (&str, &str) = ("Authorization", "Bearer good");

/// The requests that a server has received.
pub(super) type Seen = Arc<Mutex<Vec<ReceivedRequest>>>;

pub(super) fn write(wire: &mut Wire, answer: &str) -> io::Result<()> {
    wire.get_mut().write_all(answer.as_bytes())
}

/// Allows requests with the right token, and denies others.
pub(super) fn guard(request: &ReceivedRequest, wire: &mut Wire) -> io::Result<()> {
    if request.header("authorization") == GOOD.1 {
        let answer = "HTTP/1.1 200 OK\r\nX-User: alice\r\nX-Groups: a\r\nX-Groups: b\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok";
        return write(wire, answer);
    }
    write(
        wire,
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nLocation: /login\r\nSet-Cookie: a=b\r\nContent-Length: 6\r\n\r\nlog in",
    )
}

pub(super) fn ask(daemon: &Daemon, path: &str, headers: &[(&str, &str)]) -> Response {
    let answer = daemon.connect().get(HOST, path, headers);
    answer.expect("an answer")
}

/// A route that asks `auth`, by a filter with these settings.
pub(super) fn route_with_filter(settings: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shop}}
spec:
  parentRefs: [{{name: edge}}]
  hostnames: [{HOST}]
  rules:
  - backendRefs: [{{name: shop, port: 3000}}]
    filters:
    - type: ExternalAuth
      externalAuth: {{backendRef: {{name: auth, port: 3000}}, {settings}}}
"
    )
}

/// Never answers.
pub(super) fn hang(_: &ReceivedRequest, wire: &mut Wire) -> io::Result<()> {
    // Until the other side gives up.
    let _ = io::copy(wire, &mut io::sink());
    Err(io::ErrorKind::ConnectionReset.into())
}

/// A server that records its requests.
pub(super) fn record(
    answer: impl Fn(&ReceivedRequest, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
) -> (TestBackend, Seen) {
    let seen = Seen::default();
    let records = seen.clone();
    let auth = TestBackend::answering(move |request, wire| {
        records.lock().expect("the requests").push(request.clone());
        answer(request, wire)
    });
    (auth, seen)
}
