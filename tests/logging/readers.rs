//! The lines that the reader of the log receives.

use super::{dropped, full_pipe};
use crate::support::client::Client;
use crate::support::daemon::{Daemon, gatefold};
use crate::support::folder::Folder;
use crate::support::manifests::gateway;
use crate::support::network::{free_port, own_address};
use crate::support::{DEADLINE, eventually};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::fs;
use std::io::{PipeWriter, Read, pipe};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

const HOST: &str = "www.example.com";

/// A folder with one route that needs no backend.
fn folder() -> Folder {
    let redirect = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: one}
spec:
  parentRefs: [{name: edge}]
  rules:
    - filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302}}]
";
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", redirect.to_owned()),
    ])
}

fn start(folder: &Folder, output: PipeWriter) -> Daemon {
    let start = Daemon::of(folder).arg("--access-log");
    start.output(output).start()
}

/// Reads to the end in a separate thread.
fn read_all(mut reader: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = reader.read_to_string(&mut text);
        // Fails only if the test has failed.
        let _ = send.send(read.map(|_| text).unwrap_or_else(|error| error.to_string()));
    });
    receive
}

/// Parses each line as a JSON object.
#[track_caller]
fn lines(log: &str) -> Vec<Value> {
    let lines = log.lines().filter(|line| !line.is_empty());
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
    lines.map(parse).collect()
}

/// The paths in the lines of the access log.
fn paths(lines: &[Value]) -> Vec<&str> {
    let access = lines
        .iter()
        .filter(|line| line["target"] == "gatefold::access");
    access.filter_map(|line| line["path"].as_str()).collect()
}

fn ask(client: &mut Client, path: &str) {
    let answer = client.get(HOST, path, &[]).expect("an answer");
    assert_eq!(answer.status, 302);
}

#[test]
fn every_line_reaches_the_reader_in_order_even_at_the_end() {
    let (reader, writer) = pipe().expect("a pipe");
    let log = read_all(reader);
    let folder = folder();
    let daemon = start(&folder, writer);
    let mut client = daemon.connect();
    let requested: Vec<String> = (0..2_000).map(|number| format!("/{number}")).collect();
    for path in &requested {
        ask(&mut client, path);
    }
    daemon.signal("TERM");
    drop(client);
    assert_eq!(daemon.ended().code(), Some(0));
    let log = log.recv_timeout(DEADLINE).expect("the log ends");
    let lines = lines(&log);
    assert_eq!(paths(&lines), requested);
    let last = lines.last().expect("a line");
    let message = last["message"].as_str().unwrap_or_default();
    assert!(message.contains("gatefold ends"), "{last}");
}

#[test]
fn a_line_reaches_the_reader_without_further_lines() {
    let folder = folder();
    let daemon = Daemon::of(&folder).arg("--access-log").start();
    ask(&mut daemon.connect(), "/only");
    eventually("the request is logged", || {
        daemon.log().contains("/only").then_some(())
    });
}

#[test]
fn the_log_reports_missing_lines_to_a_reader_that_recovers() {
    let (reader, writer) = full_pipe();
    let folder = folder();
    let daemon = start(&folder, writer);
    let mut client = daemon.connect();
    let path = format!("/{}", "x".repeat(4_000));
    let mut requests = 0;
    while dropped(&daemon) < 100 {
        for _ in 0..50 {
            ask(&mut client, &path);
        }
        requests += 50;
    }
    // Warnings fit into the queue when lines of the access log don't.
    daemon.signal("HUP");
    let missing = dropped(&daemon);
    let log = read_all(reader);
    eventually("lines are no longer dropped", || {
        let before = dropped(&daemon);
        ask(&mut client, "/later");
        (dropped(&daemon) == before).then_some(())
    });
    daemon.signal("TERM");
    drop(client);
    assert_eq!(daemon.ended().code(), Some(0));
    let log = log.recv_timeout(DEADLINE).expect("the log ends");
    let lines = lines(&log);
    let reported: u64 = lines
        .iter()
        .filter_map(|line| line["dropped"].as_u64())
        .sum();
    assert!(reported >= missing, "{reported} of {missing}");
    let written = paths(&lines).iter().filter(|found| **found == path).count();
    assert!(written < requests, "{written} of {requests}");
    let gap = lines.iter().position(|line| line["dropped"].is_u64());
    let last = lines.iter().rposition(|line| line["path"] == path.as_str());
    assert!(gap > last, "the report must be where the lines are missing");
    assert_eq!(paths(&lines).last(), Some(&"/later"));
}

/// The processes of a shell pipeline. They are killed when this is dropped.
struct Pipeline(Child);

impl Pipeline {
    fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        kill_process_group(Pid::from_child(&self.0), signal)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Fails if all of them have ended.
        let _ = self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn ctrl_c_ends_the_daemon_although_tee_ends_first() {
    let folder = folder();
    let scratch = tempfile::tempdir().expect("a folder");
    let copy = scratch.path().join("copy");
    let own = own_address();
    let admin = SocketAddr::new(own, free_port(own));
    let port = free_port(own);
    let (reader, held) = pipe().expect("a pipe");
    // Each process of the pipeline holds the writing end until it ends.
    let line = "\"$0\" run \"$1\" --admin \"$2\" --address \"$3\" --port-map \"80=$4\" 3>&2 2>&1 | tee \"$5\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).arg(gatefold().get_program());
    shell.arg(folder.path()).arg(admin.to_string());
    shell.args([own.to_string(), port.to_string()]).arg(&copy);
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(held);
    let pipeline = Pipeline(shell.process_group(0).spawn().expect("a shell"));
    drop(shell);
    let ended = read_all(reader);
    eventually("the daemon is ready", || {
        let answer = Client::connect(admin)
            .ok()?
            .get("admin", "/readyz", &[])
            .ok()?;
        (answer.status == 200).then_some(())
    });
    eventually("tee writes the log", || {
        let text = fs::read_to_string(&copy).ok()?;
        text.contains("\"ready\"").then_some(())
    });
    pipeline.signal(Signal::INT).expect("SIGINT is sent");
    ended.recv_timeout(DEADLINE).expect("all processes end");
}
