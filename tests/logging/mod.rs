//! The log and its reader: whatever the reader does, requests are answered, and signals end the daemon.

mod access_log;
mod command_line;
mod envoy_proxy;
mod readers;
mod serving;

use crate::support::daemon::Daemon;
use std::io::{PipeReader, PipeWriter, Write, pipe};

/// A pipe that is full: writes block until something is read.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("non-blocking");
    // Fills it with line ends, so that the daemon's first line begins a line.
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("blocking");
    (reader, writer)
}

/// A pipe whose reader has gone.
fn closed_pipe() -> PipeWriter {
    pipe().expect("a pipe").1
}

/// The number of lines that the daemon has dropped.
fn dropped(daemon: &Daemon) -> u64 {
    daemon.metric("gatefold_log_lines_dropped_total") as u64
}
