//! Access to standard error: one queue and one writing thread for the whole process.

use super::writer::{LogWriter, StandardError};
use gatefold_dataplane::access_log::{Importance, LineQueue, LineSinks};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use tracing::{Level, Metadata, warn};
use tracing_subscriber::fmt::MakeWriter;

static QUEUE: OnceLock<io::Result<Arc<LineQueue>>> = OnceLock::new();

/// How long the end of the process waits for queued lines in total.
const LAST_LINES: Duration = Duration::from_secs(5);
/// How long the end of the process waits for a reader that makes no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// Queues a line for standard error, without waiting for it to be written.
pub fn write_line(line: impl Display) {
    let line = format!("{line}\n");
    match queue() {
        Ok(queue) => _ = queue.push(line.as_bytes(), Importance::High),
        // A process that can't start a thread can only end, so it may block here.
        Err(_) => _ = StandardError.write_all(line.as_bytes()),
    }
}

/// Waits until queued lines are written, but at most for `patience` without progress, and at most for five times
/// `patience` in total.
pub fn flush(patience: Duration) {
    if let Some(Ok(queue)) = QUEUE.get() {
        queue.wait_until_written(patience, LAST_LINES.min(patience * 5));
    }
}

/// Waits until queued lines are written when it is dropped at the end of the process: at most 5 seconds, and at most 1
/// second without progress.
#[derive(Debug)]
pub struct FlushOnDrop;

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        flush(PATIENCE);
    }
}

/// Returns sinks for access logs, of which standard error is the queue of the log.
pub fn line_sinks() -> LineSinks {
    match queue() {
        Ok(queue) => LineSinks::with_log(queue.clone()),
        Err(_) => LineSinks::default(),
    }
}

/// Registers the metric of dropped lines.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Dropped));
}

/// Reads the number of dropped lines when the metrics are encoded.
#[derive(Debug)]
struct Dropped;

impl Collector for Dropped {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let dropped = match QUEUE.get() {
            Some(Ok(queue)) => queue.dropped(),
            Some(Err(_)) | None => 0,
        };
        let counter = ConstCounter::new(dropped);
        let encoder = encoder.encode_descriptor(
            "gatefold_log_lines_dropped",
            "Log lines that were dropped because standard error accepted them too slowly or not at all",
            None,
            counter.metric_type(),
        )?;
        counter.encode(encoder)
    }
}

/// The writer of the subscriber.
pub(super) fn lines() -> io::Result<Lines> {
    match queue() {
        Ok(queue) => Ok(Lines(queue.clone())),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("can't start a thread for the log: {error}"),
        )),
    }
}

/// The queue. Starts the writing thread at the first call.
fn queue() -> &'static io::Result<Arc<LineQueue>> {
    QUEUE.get_or_init(|| {
        let queue = Arc::new(LineQueue::default());
        let writer = LogWriter::new(StandardError);
        let queued = queue.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run(&queued, report_gap))?;
        Ok(queue)
    })
}

/// Logs the number of missing lines. The report is queued like any other line.
fn report_gap(dropped: u64) {
    warn!(
        dropped,
        "log lines are missing here: standard error accepted them too slowly or not at all"
    );
}

/// Creates writers that queue each event.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<LineQueue>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> EventWriter<'a> {
        EventWriter {
            queue: &self.0,
            importance: Importance::Usual,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> EventWriter<'a> {
        let importance = if *about.level() <= Level::WARN {
            Importance::High
        } else {
            Importance::Usual
        };
        EventWriter {
            queue: &self.0,
            importance,
        }
    }
}

/// A writer for one event, which the subscriber writes in one call.
pub(super) struct EventWriter<'a> {
    queue: &'a LineQueue,
    importance: Importance,
}

impl Write for EventWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.queue.push(bytes, self.importance);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
