//! Writes the lines of access logs.
//!
//! In: the sinks that a flag or a reload creates. Out: their lines in files, each written by a thread of its own, which alone waits
//! for the disk or the reader of a pipe. A line that can't be written is counted and never fails a request.

mod file;

use super::writer::LogWriter;
use file::LogFile;
use gatefold_dataplane::access_log::{Destination, LineQueue, LineSinks, NewSink};
use gatefold_listen::log_throttle::LogThrottle;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// Starts a writing thread for each new sink. The thread ends with its sink.
pub fn start_writers(sinks: &LineSinks) {
    for NewSink { destination, queue } in sinks.take_new() {
        let name = destination.to_string();
        let writing = thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || write(destination, &queue));
        if let Err(error) = writing {
            error!(file = name, %error, "can't start a thread for the access log: its lines are dropped");
        }
    }
}

fn write(destination: Destination, queue: &LineQueue) {
    let mut gaps = Gaps::new(destination.to_string());
    LogWriter::new(LogFile::new(destination)).run(queue, |dropped| gaps.report(dropped));
}

/// Checks that a destination can be written, and creates its file.
///
/// # Errors
/// If it can't be opened.
pub fn check(destination: &Destination) -> io::Result<()> {
    file::open(destination).map(drop)
}

/// Opens all files again, since they may have been renamed.
pub fn reopen(sinks: &LineSinks) {
    for queue in sinks.queues() {
        queue.reopen();
    }
}

/// Waits until the lines of all access logs are written, but at most for `patience` without progress, and at most for five times
/// `patience` in total.
pub fn flush(sinks: &LineSinks, patience: Duration) {
    let end = Instant::now() + patience * 5;
    for queue in sinks.queues() {
        queue.wait_until_written(patience, end.saturating_duration_since(Instant::now()));
    }
}

/// Registers the metric of dropped lines.
pub fn register(registry: &mut Registry, sinks: LineSinks) {
    registry.register_collector(Box::new(Dropped(sinks)));
}

/// Reads the number of dropped lines when the metrics are encoded.
#[derive(Debug)]
struct Dropped(LineSinks);

impl Collector for Dropped {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let counter = ConstCounter::new(self.0.dropped());
        let encoder = encoder.encode_descriptor(
            "gatefold_access_log_dropped",
            "Access log lines that were dropped because their files accepted them too slowly or not at all",
            None,
            counter.metric_type(),
        )?;
        counter.encode(encoder)
    }
}

/// Reports missing lines of a file at a bounded rate.
struct Gaps {
    file: String,
    throttle: LogThrottle,
    unlogged: u64,
}

impl Gaps {
    fn new(file: String) -> Self {
        Gaps {
            file,
            throttle: LogThrottle::default(),
            unlogged: 0,
        }
    }

    fn report(&mut self, dropped: u64) {
        self.unlogged += dropped;
        if self.throttle.is_due() {
            let dropped = std::mem::take(&mut self.unlogged);
            warn!(
                file = self.file,
                dropped,
                "access log lines are missing: the file accepted them too slowly or not at all"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn wait_for(path: &std::path::Path, text: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        while fs::read_to_string(path).unwrap_or_default() != text {
            let found = fs::read_to_string(path);
            assert!(
                Instant::now() < end,
                "{path:?} has {found:?} instead of {text:?}"
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn writes_lines_and_opens_a_renamed_file_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, old) = (
            folder.path().join("access.log"),
            folder.path().join("old.log"),
        );
        let sinks = LineSinks::default();
        let sink = sinks.sink(&Destination::File(path.clone()));
        start_writers(&sinks);
        sink.push(b"1\n");
        wait_for(&path, "1\n");
        fs::rename(&path, &old).expect("renamed");
        sink.push(b"2\n");
        wait_for(&old, "1\n2\n");
        reopen(&sinks);
        let end = Instant::now() + Duration::from_secs(30);
        while !path.exists() {
            assert!(Instant::now() < end, "the file isn't opened again");
            thread::sleep(Duration::from_millis(2));
        }
        sink.push(b"3\n");
        wait_for(&path, "3\n");
        sink.push(b"4\n");
        drop(sink);
        wait_for(&path, "3\n4\n");
        assert_eq!(sinks.dropped(), 0);
    }

    #[test]
    fn lines_for_a_full_disk_are_counted() {
        let sinks = LineSinks::default();
        let sink = sinks.sink(&Destination::File("/dev/full".into()));
        start_writers(&sinks);
        sink.push(b"1\n");
        flush(&sinks, Duration::from_secs(10));
        assert_eq!(sinks.dropped(), 1);
    }
}
