//! Shutdown under load.

use super::generations::{HOST, LISTENERS};
use crate::support::backend::{ReceivedRequest, TestBackend, Wire};
use crate::support::client::Response;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::load::{ClientKind, Judge, LoadTarget, Plan, ServerLifetime};
use crate::support::manifests::{endpoint_slice, gateway_with, route, service};
use crate::support::tls::{Authority, secret};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Requests by their names.
type Names = Arc<Mutex<BTreeSet<String>>>;

/// Answers slowly with the request's name, in four pieces, so that most clients are always in the middle of an answer.
fn answer_slowly(request: &ReceivedRequest, wire: &mut Wire) -> io::Result<()> {
    const PIECE: Duration = Duration::from_millis(25);
    let name = request.header("x-request");
    let stream = wire.get_mut();
    thread::sleep(PIECE);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    for piece in [name, "\n", "the end"] {
        thread::sleep(PIECE);
        write!(stream, "{:x}\r\n{piece}\r\n", piece.len())?;
    }
    write!(stream, "0\r\n\r\n")
}

/// Records the names of complete answers.
struct CompleteAnswers(Names);

impl Judge for CompleteAnswers {
    fn judge(&self, answer: &Response, _: &[u8], _: u64) -> Result<(), String> {
        let text = answer.text();
        let name = text.strip_suffix("\nthe end");
        let name = name.ok_or_else(|| format!("status {}: {text:?}", answer.status))?;
        self.0.lock().expect("the names").insert(name.to_owned());
        Ok(())
    }
}

fn folder(authority: &Authority, backend: &TestBackend) -> Folder {
    let pair = authority.issue(HOST);
    Folder::with([
        ("gateway.yaml", gateway_with(LISTENERS)),
        ("route.yaml", route("one", HOST)),
        ("service.yaml", service("one")),
        ("slice.yaml", endpoint_slice("one", backend.address())),
        ("cert.yaml", secret("cert", &pair.certificate, &pair.key)),
    ])
}

#[test]
fn every_request_that_reached_a_backend_is_answered_completely_after_sigterm() {
    const CLIENTS: usize = 6;
    let (seen, answered) = (Names::default(), Names::default());
    let recorded = seen.clone();
    let backend = TestBackend::answering(move |request, wire| {
        let name = request.header("x-request").to_owned();
        recorded.lock().expect("the names").insert(name);
        answer_slowly(request, wire)
    });
    let authority = Authority::new();
    let folder = folder(&authority, &backend);
    let daemon = Daemon::of(&folder).start();
    let target = LoadTarget {
        plain: daemon.socket(80),
        tls: daemon.socket(443),
        host: HOST.to_owned(),
        trust: Some(authority.trust()),
    };
    let plan = Plan::to(target).server(ServerLifetime::Ends);
    let plan = ClientKind::ALL
        .into_iter()
        .fold(plan, |plan, kind| plan.clients(kind, CLIENTS));
    let load = plan.start(CompleteAnswers(answered.clone()));
    eventually("all clients are being answered", || {
        load.check();
        (answered.lock().expect("the names").len() > 20 * CLIENTS).then_some(())
    });
    let before = answered.lock().expect("the names").len();
    load.changed("SIGTERM");
    daemon.signal("TERM");
    let report = load.wait_until_stopped();
    let status = daemon.ended();
    let (seen, answered) = (seen.lock().expect("names"), answered.lock().expect("names"));
    println!(
        "{before} answers before SIGTERM, {} after\n{report}",
        answered.len() - before
    );
    let lost: Vec<_> = seen.difference(&answered).collect();
    assert!(
        lost.is_empty(),
        "the backend received these requests, but no client an answer: {lost:?}"
    );
    assert!(
        answered.len() >= before + CLIENTS,
        "too few requests were in flight at SIGTERM"
    );
    assert!(status.success(), "the daemon ended with {status}");
}
