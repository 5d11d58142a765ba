//! Filters of type ExternalAuth: what the authorization server is asked, and that nothing passes without its permission.

use super::{GOOD, HOST, ask, guard, hang, record, route_with_filter, write};
use crate::support::backend::TestBackend;
use crate::support::daemon::{Daemon, check_with};
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, service};
use serde_json::{Value, json};
use std::io;

fn route(http: &str) -> String {
    route_with_filter(&format!("protocol: HTTP, http: {{{http}}}"))
}

/// A folder with a route that asks `auth`.
fn folder(auth: &TestBackend, http: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route(http)),
        ("shop.yaml", service("shop")),
        ("auth.yaml", service("auth")),
        ("auth-slice.yaml", endpoint_slice("auth", auth.address())),
    ])
}

#[test]
fn the_server_decides_and_its_answer_reaches_client_or_backend() {
    let auth = TestBackend::answering(guard);
    let folder = folder(&auth, "allowedResponseHeaders: [x-user, x-role]");
    let daemon = Daemon::of(&folder).echo().start();
    let denied = ask(&daemon, "/", &[]);
    assert_eq!((denied.status, denied.text().as_str()), (401, "log in"));
    assert_eq!(denied.header("www-authenticate"), Some("Bearer"));
    assert_eq!(denied.header("location"), Some("/login"));
    assert_eq!(denied.header("set-cookie"), Some("a=b"));
    let forged = [
        GOOD,
        ("x-user", "root"),
        ("x-role", "admin"),
        ("x_role", "admin"),
        ("Connection", "x-user"),
    ];
    let headers = ask(&daemon, "/", &forged).json()["headers"].clone();
    assert_eq!(headers["X-User"], json!(["alice"]));
    for name in ["X-Role", "X_role", "X-Groups"] {
        assert_eq!(headers[name], Value::Null, "{name}");
    }
    let reason = "gatefold_answers_total{reason=\"external_auth_denied\"}";
    assert!(daemon.metric(reason) >= 1.0);
}

#[test]
fn without_a_list_the_backend_gets_all_headers_but_those_of_the_content() {
    let auth = TestBackend::answering(guard);
    let daemon = Daemon::of(&folder(&auth, "")).echo().start();
    let headers = ask(&daemon, "/", &[GOOD, ("x-groups", "root")]).json()["headers"].clone();
    assert_eq!(headers["X-Groups"], json!(["a", "b"]));
    assert_eq!(headers["Content-Type"], Value::Null);
}

#[test]
fn the_server_gets_the_request_without_its_other_headers() {
    let (auth, seen) = record(guard);
    let http = "path: /check/, allowedHeaders: [cookie, x-forwarded-proto, x-forwarded-for]";
    let daemon = Daemon::of(&folder(&auth, http)).echo().start();
    let sent = [
        GOOD,
        ("Cookie", "session=1"),
        ("X-Secret", "1"),
        ("X-Forwarded-Proto", "https"),
    ];
    let answer = daemon
        .connect()
        .send("POST", HOST, "/a%20b?q=1", &sent, b"body");
    assert_eq!(answer.expect("an answer").status, 200);
    let seen = seen.lock().expect("the requests");
    let request = seen.last().expect("a request");
    assert_eq!(request.line, "POST /check/a%20b?q=1 HTTP/1.1");
    let mut names: Vec<&str> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    let wanted = [
        "authorization",
        "content-length",
        "cookie",
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
    ];
    assert_eq!(names, wanted);
    assert_eq!(request.header("content-length"), "0");
    assert_eq!(request.header("host"), HOST);
    assert_eq!(
        request.header("x-forwarded-proto"),
        "http",
        "not what the client says"
    );
}

#[test]
fn nothing_passes_without_an_answer() {
    let huge = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{}",
        10 << 20,
        "x".repeat(10 << 20)
    );
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_owned();
    let answers = [
        huge,
        cut,
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        String::new(),
    ];
    for answer in answers {
        let shown: String = answer.chars().take(40).collect();
        let auth = TestBackend::answering(move |_, wire| {
            write(wire, &answer)?;
            Err(io::ErrorKind::ConnectionReset.into())
        });
        let daemon = Daemon::of(&folder(&auth, "")).echo().start();
        assert_eq!(ask(&daemon, "/", &[GOOD]).status, 403, "{shown:?}");
    }
}

#[test]
fn a_server_that_hangs_denies_after_its_time() {
    let auth = TestBackend::answering(hang);
    let folder = folder(&auth, "");
    let daemon = Daemon::of(&folder).echo().start();
    let mut client = daemon.connect();
    let wait = Some(std::time::Duration::from_secs(30));
    client
        .stream()
        .set_read_timeout(wait)
        .expect("a time limit");
    let answer = client.get(HOST, "/", &[GOOD]).expect("an answer");
    assert_eq!(answer.status, 403);
}

#[test]
fn a_second_answer_allows_no_other_request() {
    let auth = TestBackend::answering(|request, wire| {
        if request.header("authorization") == GOOD.1 {
            let allowed = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            return write(wire, &allowed.repeat(2));
        }
        write(
            wire,
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        )
    });
    let daemon = Daemon::of(&folder(&auth, "")).echo().start();
    for _ in 0..50 {
        assert_eq!(ask(&daemon, "/", &[GOOD]).status, 200);
        assert_eq!(ask(&daemon, "/", &[]).status, 401);
    }
}

#[test]
fn a_server_without_endpoints_or_with_an_echo_backend_in_its_place_allows_nothing() {
    let auth = TestBackend::answering(guard);
    let folder = folder(&auth, "");
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(ask(&daemon, "/", &[GOOD]).status, 200);
    folder.remove("auth-slice.yaml");
    daemon.wait_for_status(HOST, "/", 500);
    folder.remove("auth.yaml");
    daemon.wait_for_status(HOST, "/", 500);
    let dev = check_with(&folder, &["--dev"]);
    let report = String::from_utf8_lossy(&dev.stdout).into_owned();
    assert!(report.contains("echo backend doesn't stand in"), "{report}");
}

#[test]
fn what_can_not_be_served_closes_the_rule() {
    let auth = TestBackend::answering(guard);
    let folder = folder(&auth, "");
    let good = route("");
    for (from, to) in [
        ("http: {}", "http: {}, forwardBody: {maxSize: 4194305}"),
        ("http: {}", "http: {allowedHeaders: ['a b']}"),
        ("http: {}", "http: {allowedResponseHeaders: [Host]}"),
    ] {
        let changed = good.replace(from, to);
        folder.write("route.yaml", changed);
        let daemon = Daemon::of(&folder).echo().start();
        assert_eq!(ask(&daemon, "/", &[GOOD]).status, 500, "{to}");
    }
}
