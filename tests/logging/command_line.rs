//! Commands whose output can't be written: they report it or end quietly, and never panic.

use super::{closed_pipe, full_pipe};
use crate::support::client;
use crate::support::daemon::{KilledOnDrop, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::network::{free_port, own_address};
use std::fs::File;
use std::io::PipeReader;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Output, Stdio};

const HOST: &str = "www.example.com";

fn full_disk() -> File {
    let full = File::options().write(true).open("/dev/full");
    full.expect("/dev/full")
}

/// Commands that write to standard output, with a folder to check.
fn commands(folder: &str) -> [Vec<&str>; 8] {
    [
        vec!["check", folder],
        vec!["run", "--check", folder],
        vec!["explain"],
        vec!["man"],
        vec!["completions", "bash"],
        vec!["version"],
        vec!["--version"],
        vec!["run", "--help"],
    ]
}

/// A closed pipe, a full disk and a full pipe, with the reader that keeps the last one open.
fn unwritable_outputs() -> (PipeReader, [OwnedFd; 3]) {
    let (reader, full_pipe) = full_pipe();
    let outputs = [closed_pipe().into(), full_disk().into(), full_pipe.into()];
    (reader, outputs)
}

fn run(arguments: &[&str], stdout: impl Into<Stdio>) -> Output {
    let mut command = gatefold();
    command
        .args(arguments)
        .stdout(stdout)
        .stderr(Stdio::piped());
    let child = command.spawn().expect("gatefold runs");
    child.wait_with_output().expect("its end")
}

#[test]
fn a_command_with_a_closed_pipe_ends_quietly_with_its_exit_code() {
    let folder = Folder::with_route(HOST);
    let path = folder.path().to_str().expect("text");
    for arguments in commands(path) {
        let output = run(&arguments, closed_pipe());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        assert_eq!(error, "", "{arguments:?}");
    }
    folder.replace("route.yaml", "hostnames:", "hostname:");
    let output = run(&["check", path], closed_pipe());
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(1),
        "the exit code must still report problems"
    );
    assert_eq!(error, "");
}

#[test]
fn a_command_that_cannot_write_its_output_reports_it_and_fails() {
    let folder = Folder::with_route(HOST);
    let path = folder.path().to_str().expect("text");
    for arguments in commands(path) {
        let output = run(&arguments, full_disk());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        let expected = "error: can't write to standard output: No space left on device";
        assert!(error.starts_with(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn an_error_that_cannot_be_written_keeps_its_exit_code() {
    let (_reader, outputs) = unwritable_outputs();
    for output in outputs {
        for (arguments, code) in [
            (&["explain", "GF9999"][..], 2),
            (&["run", "not-a-folder"], 2),
            (&["check", "not-a-folder"], 2),
            (&["health", "--admin", "unix:not-a-socket"], 1),
        ] {
            let mut command = gatefold();
            command.args(arguments);
            command.stderr(output.try_clone().expect("a duplicate"));
            let mut child = command.spawn().expect("gatefold runs");
            let ended = eventually("the command ends", || child.try_wait().expect("its state"));
            assert_eq!(ended.code(), Some(code), "{arguments:?} to {output:?}");
        }
    }
}

#[test]
fn the_echo_backend_serves_and_ends_if_standard_error_cannot_be_written() {
    let (_reader, outputs) = unwritable_outputs();
    for output in outputs {
        let ip = own_address();
        let address = SocketAddr::new(ip, free_port(ip));
        let mut command = gatefold();
        command.args(["echo", "--listen", &address.to_string()]);
        command.stderr(output);
        let mut echo = KilledOnDrop(command.spawn().expect("gatefold echo starts"));
        eventually("the echo backend answers", || {
            let answer = client::try_get(address, HOST, "/").ok()?;
            (answer.status == 200).then_some(())
        });
        crate::support::daemon::signal(&echo.0.id().to_string(), "TERM");
        let ended = eventually("the command ends", || echo.0.try_wait().expect("its state"));
        assert_eq!(ended.code(), Some(0));
    }
}
