//! Access logs in files: exact lines, rotation, and files that can't be written.

use crate::support::backend::TestBackend;
use crate::support::client::Client;
use crate::support::daemon::{Daemon, Start, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::network::{free_port, own_address};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const HOST: &str = "www.example.com";

/// A folder with routes to a running backend, to an address without a backend, to a Service without endpoints, and to none.
fn folder() -> Folder {
    let dead = own_address();
    let dead = SocketAddr::new(dead, free_port(dead));
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("one", HOST)),
        ("one.yaml", service("one")),
        (
            "slice.yaml",
            endpoint_slice("one", TestBackend::start("one").address()),
        ),
        ("dead.yaml", route("dead", "dead.example.com")),
        ("dead-service.yaml", service("dead")),
        ("dead-slice.yaml", endpoint_slice("dead", dead)),
        ("missing.yaml", route("missing", "missing.example.com")),
    ])
}

fn with_file<'f>(folder: &'f Folder, path: &Path) -> Start<'f> {
    Daemon::of(folder).arg(format!("--access-log-file={}", path.display()))
}

/// Waits until a file has this many lines.
#[track_caller]
fn lines(path: &Path, count: usize) -> Vec<String> {
    eventually("the lines are written", || {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(String::from).collect();
        (lines.len() >= count).then_some(lines)
    })
}

#[test]
fn a_file_has_the_exact_lines_of_requests() {
    let (folder, logs) = (folder(), tempfile::tempdir().expect("a folder"));
    let path = logs.path().join("access.log");
    let daemon = with_file(&folder, &path)
        .arg(concat!(
            "--access-log=%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% ",
            r#"%RESPONSE_FLAGS% %BYTES_RECEIVED% %UPSTREAM_CLUSTER% %ROUTE_NAME% %CEL(x)% "%REQ(USER-AGENT)%""#
        ))
        .start();
    let mut client = daemon.connect();
    let hostile = [("User-Agent", "curl\" 200\t\\n\u{85}")];
    client
        .send("POST", HOST, "/a?b=c", &hostile, b"hello")
        .expect("an answer");
    client.get(HOST, "/%61/../b", &[]).expect("an answer");
    client
        .get("other.example.com", "/", &[])
        .expect("an answer");
    client
        .get("missing.example.com", "/", &[])
        .expect("an answer");
    client.get("dead.example.com", "/", &[]).expect("an answer");
    let expected = [
        r#"POST /a?b=c HTTP/1.1 200 via_upstream - 5 default/one:3000 httproute/default/one/rule/0 - "curl\" 200\t\\n\xc2\x85""#,
        r#"GET /b HTTP/1.1 200 via_upstream - 0 default/one:3000 httproute/default/one/rule/0 - "-""#,
        r#"GET / HTTP/1.1 404 no_route NR 0 - - - "-""#,
        r#"GET / HTTP/1.1 500 invalid_backend NC 0 default/missing:3000 httproute/default/missing/rule/0 - "-""#,
        r#"GET / HTTP/1.1 502 bad_gateway UF 0 default/dead:3000 httproute/default/dead/rule/0 - "-""#,
    ];
    assert_eq!(lines(&path, expected.len()), expected);
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
    let warned = daemon.log().matches("%CEL%").count();
    assert_eq!(warned, 1, "an operator without a meaning is named once");
}

#[test]
fn a_file_without_a_format_gets_json() {
    let (folder, logs) = (folder(), tempfile::tempdir().expect("a folder"));
    let path = logs.path().join("access.log");
    let daemon = Daemon::of(&folder)
        .environment("GATEFOLD_ACCESS_LOG_FILE", path.as_os_str())
        .start();
    daemon.get(HOST, "/a?token=secret");
    let [line] = <[String; 1]>::try_from(lines(&path, 1)).expect("one line");
    let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(json["path"], "/a");
    assert_eq!(json["response_code"], 200);
    assert_eq!(json["response_flags"], serde_json::Value::Null);
    assert!(!line.contains("secret"), "{line}");
    assert!(
        !daemon.log().contains("gatefold::access"),
        "requests are no events"
    );
}

/// While clients send requests, the file is renamed and opened again several times.
#[test]
fn rotation_by_sighup_loses_no_line() {
    const REQUESTS: usize = 3_000;
    const CLIENTS: usize = 2;
    let (folder, logs) = (folder(), tempfile::tempdir().expect("a folder"));
    let path = logs.path().join("access.log");
    let daemon = with_file(&folder, &path).arg("--access-log=%PATH%").start();
    let ended = AtomicBool::new(false);
    let mut rotations = 0;
    thread::scope(|scope| {
        let clients = [0; CLIENTS].map(|_| daemon.connect());
        let running = clients.into_iter().enumerate().map(|(number, mut client)| {
            scope.spawn(move || {
                for request in 0..REQUESTS {
                    let path = format!("/{number}/{request}");
                    client.get(HOST, &path, &[]).expect("an answer");
                }
            })
        });
        let running: Vec<_> = running.collect();
        scope.spawn(|| {
            running
                .into_iter()
                .for_each(|it| it.join().expect("a client"));
            ended.store(true, Ordering::Relaxed);
        });
        while !ended.load(Ordering::Relaxed) {
            // The clients may be done before the new file has lines.
            eventually("the file has lines", || {
                let enough = fs::read_to_string(&path).is_ok_and(|text| text.lines().count() >= 50);
                (enough || ended.load(Ordering::Relaxed)).then_some(())
            });
            rotations += 1;
            fs::rename(&path, logs.path().join(format!("access.log.{rotations}")))
                .expect("renamed");
            daemon.signal("HUP");
            eventually("the file is opened again", || path.exists().then_some(()));
        }
    });
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    let files = fs::read_dir(logs.path())
        .expect("a folder")
        .map(|entry| entry.expect("a file").path());
    let text: String = files
        .map(|file| fs::read_to_string(file).expect("text"))
        .collect();
    let all: BTreeSet<&str> = text.lines().collect();
    assert_eq!(text.lines().count(), all.len(), "a line is written twice");
    let expected =
        (0..CLIENTS).flat_map(|client| (0..REQUESTS).map(move |it| format!("/{client}/{it}")));
    let lost: Vec<String> = expected.filter(|path| !all.contains(&**path)).collect();
    assert!(
        lost.is_empty(),
        "{} lines are lost: {:?}",
        lost.len(),
        lost.first()
    );
    assert!(rotations > 1, "the file was renamed {rotations} times");
}

/// Serves enough requests with long lines to fill a queue.
fn fill(daemon: &Daemon) {
    let path = format!("/{}", "x".repeat(4_000));
    let mut client = daemon.connect();
    for _ in 0..1_500 {
        assert_eq!(client.get(HOST, &path, &[]).expect("an answer").status, 200);
    }
}

#[test]
fn a_full_queue_drops_lines_and_no_request() {
    let (folder, logs) = (folder(), tempfile::tempdir().expect("a folder"));
    let path = logs.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .expect("mkfifo runs")
            .success()
    );
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let _reader =
        rustix::fs::open(&path, flags, Mode::empty()).expect("a reader that reads nothing");
    let daemon = with_file(&folder, &path).start();
    fill(&daemon);
    let dropped = daemon.metric("gatefold_access_log_dropped_total");
    assert!((1.0..1_500.0).contains(&dropped), "{dropped}");
    daemon.signal("TERM");
    assert_eq!(
        daemon.ended().code(),
        Some(0),
        "the end doesn't wait for the reader"
    );
}

#[test]
fn a_full_disk_drops_lines_and_is_reported_once() {
    let folder = folder();
    let daemon = with_file(&folder, Path::new("/dev/full")).start();
    let mut client = daemon.connect();
    for _ in 0..200 {
        assert_eq!(client.get(HOST, "/", &[]).expect("an answer").status, 200);
    }
    eventually("all lines are dropped", || {
        (daemon.metric("gatefold_access_log_dropped_total") == 200.0).then_some(())
    });
    let reported = daemon
        .log()
        .matches("an access log can't be written")
        .count();
    assert_eq!(reported, 1, "{}", daemon.log());
}

#[test]
fn a_wrong_format_or_file_is_wrong_usage() {
    let folder = folder();
    for (flag, message) in [
        (
            "--access-log=%DURATION% %DURATIONS%",
            "`%DURATIONS%` is no operator of Envoy that gatefold knows, at character 12",
        ),
        ("--access-log=yes-please", "neither off, on, json"),
        (
            "--access-log-file=/nowhere/access.log",
            "--access-log-file: can't open /nowhere/access.log",
        ),
        ("--reason-header=Content-Length", "need this header"),
    ] {
        let run = gatefold()
            .arg("run")
            .arg(folder.path())
            .args(["--admin=127.0.0.1:0", flag])
            .output();
        let output = run.expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flag}: {error}");
        assert!(error.contains(message), "{flag}: {error}");
    }
}

/// Requests that gatefold answers itself, with the reason.
const ANSWERED: &[(&str, &str)] = &[
    (
        "GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n",
        "no_route",
    ),
    (
        "GET / HTTP/1.1\r\nHost: missing.example.com\r\n\r\n",
        "invalid_backend",
    ),
    (
        "GET / HTTP/1.1\r\nHost: dead.example.com\r\n\r\n",
        "bad_gateway",
    ),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "malformed_host"),
    (
        "GET /../a HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
        "path_leaves_root",
    ),
    (
        "GET /%00 HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
        "path_with_nul",
    ),
    (
        "GET /%zz HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
        "path_with_malformed_escape",
    ),
    (
        "CONNECT www.example.com:80 HTTP/1.1\r\nHost: www.example.com:80\r\n\r\n",
        "connect",
    ),
];

#[test]
fn log_metric_and_header_have_the_same_word_for_an_answer() {
    let (folder, logs) = (folder(), tempfile::tempdir().expect("a folder"));
    let path = logs.path().join("access.log");
    let daemon = with_file(&folder, &path)
        .arg("--access-log=%RESPONSE_CODE_DETAILS%")
        .arg("--reason-header")
        .start();
    for (request, reason) in ANSWERED {
        let mut client = Client::connect(daemon.socket(80)).expect("a connection");
        client.begin(request.as_bytes()).expect("sent");
        let answer = client.answer().expect("an answer");
        assert_eq!(
            answer.header("x-gatefold-reason"),
            Some(*reason),
            "{request}"
        );
    }
    let words = ANSWERED.iter().map(|(_, reason)| *reason);
    assert_eq!(
        lines(&path, ANSWERED.len()),
        words.clone().collect::<Vec<_>>()
    );
    for reason in words {
        let series = format!("gatefold_answers_total{{reason=\"{reason}\"}}");
        assert_eq!(daemon.metric(&series), 1.0, "{series}");
    }
    let forwarded = daemon.get(HOST, "/");
    assert_eq!(
        forwarded.header("x-gatefold-reason"),
        None,
        "a backend's response"
    );
}

#[test]
fn answers_have_no_header_with_a_reason_by_default() {
    let folder = folder();
    let daemon = Daemon::of(&folder).start();
    let answer = daemon.get("other.example.com", "/");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("x-gatefold-reason"), None);
}
