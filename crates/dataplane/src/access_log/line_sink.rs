//! Sinks: where the lines of access logs go.
//!
//! In: destinations, of which each has one sink, however many access logs use it. Out: a queue for each new sink, whose lines the
//! daemon writes. A sink that no access log uses any more closes its queue.

use super::{Importance, LineQueue};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Where lines are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Standard output.
    StandardOutput,
    /// Standard error, between the lines of the log.
    StandardError,
    /// A file that the command line names.
    File(PathBuf),
    /// A file that a manifest names. It must be in a folder that the command line names, and nothing below the folder may be a
    /// symbolic link, so that no manifest can make gatefold write elsewhere.
    FileBelow {
        /// The folder.
        folder: PathBuf,
        /// The path below it: names only.
        path: PathBuf,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::StandardOutput => f.write_str("/dev/stdout"),
            Destination::StandardError => f.write_str("/dev/stderr"),
            Destination::File(path) => write!(f, "{}", path.display()),
            Destination::FileBelow { folder, path } => write!(f, "{}", folder.join(path).display()),
        }
    }
}

/// Takes lines for one destination.
#[derive(Debug)]
pub struct LineSink {
    queue: Arc<LineQueue>,
    /// Counts dropped lines, if the queue itself doesn't.
    dropped: Option<Arc<AtomicU64>>,
}

impl LineSink {
    /// Queues a line with its line end, or drops it if the queue is full. Never waits for the destination.
    pub fn push(&self, line: &[u8]) {
        if !self.queue.push(line, Importance::Usual)
            && let Some(dropped) = &self.dropped
        {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for LineSink {
    fn drop(&mut self) {
        // The queue of standard error is that of the log.
        if self.dropped.is_none() {
            self.queue.close();
        }
    }
}

/// A sink whose lines nothing writes yet.
#[derive(Debug)]
pub struct NewSink {
    /// Where to write them.
    pub destination: Destination,
    /// Its lines.
    pub queue: Arc<LineQueue>,
}

/// All sinks of the process.
#[derive(Clone, Debug, Default)]
pub struct LineSinks {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    sinks: Mutex<Sinks>,
    dropped: Arc<AtomicU64>,
    /// The queue of the log.
    standard_error: Option<Arc<LineQueue>>,
}

#[derive(Debug, Default)]
struct Sinks {
    by_destination: BTreeMap<Destination, Weak<LineSink>>,
    new: Vec<NewSink>,
    /// The queues, also those whose last lines are still being written.
    queues: Vec<Weak<LineQueue>>,
}

impl LineSinks {
    /// Creates sinks, with the queue of the log for lines to standard error.
    pub fn with_log(standard_error: Arc<LineQueue>) -> Self {
        LineSinks {
            shared: Arc::new(Shared {
                standard_error: Some(standard_error),
                ..Shared::default()
            }),
        }
    }

    /// Returns the sink of a destination. Creates it if there is none.
    pub fn sink(&self, destination: &Destination) -> Arc<LineSink> {
        let mut sinks = self.lock();
        let known = sinks.by_destination.get(destination);
        if let Some(sink) = known.and_then(Weak::upgrade) {
            return sink;
        }
        sinks
            .by_destination
            .retain(|_, sink| sink.strong_count() > 0);
        sinks.queues.retain(|queue| queue.strong_count() > 0);
        let sink = Arc::new(match (destination, &self.shared.standard_error) {
            (Destination::StandardError, Some(queue)) => LineSink {
                queue: queue.clone(),
                dropped: Some(self.shared.dropped.clone()),
            },
            _ => {
                let queue = Arc::new(LineQueue::new(self.shared.dropped.clone()));
                sinks.queues.push(Arc::downgrade(&queue));
                sinks.new.push(NewSink {
                    destination: destination.clone(),
                    queue: queue.clone(),
                });
                LineSink {
                    queue,
                    dropped: None,
                }
            }
        });
        let weak = Arc::downgrade(&sink);
        sinks.by_destination.insert(destination.clone(), weak);
        sink
    }

    /// Takes the sinks that were created since the last call.
    pub fn take_new(&self) -> Vec<NewSink> {
        std::mem::take(&mut self.lock().new)
    }

    /// Returns all queues but that of the log.
    pub fn queues(&self) -> Vec<Arc<LineQueue>> {
        self.lock()
            .queues
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// The number of lines that were dropped.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Sinks> {
        let sinks = self.shared.sinks.lock();
        sinks.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Destination {
        Destination::File(name.into())
    }

    fn lines(queue: &LineQueue) -> String {
        let mut batch = Vec::new();
        queue.take(&mut batch);
        queue.finish();
        String::from_utf8(batch).expect("text")
    }

    #[test]
    fn logs_with_the_same_destination_share_a_queue_that_ends_with_the_last_of_them() {
        let sinks = LineSinks::default();
        let (one, two) = (sinks.sink(&file("a")), sinks.sink(&file("a")));
        one.push(b"1\n");
        two.push(b"2\n");
        let [new] = <[NewSink; 1]>::try_from(sinks.take_new()).expect("one sink");
        assert_eq!(lines(&new.queue), "1\n2\n");
        drop(one);
        two.push(b"3\n");
        drop(two);
        let mut batch = Vec::new();
        assert!(new.queue.take(&mut batch).closed);
        assert_eq!(batch, b"3\n", "the last lines are written before the end");
        assert_eq!(sinks.queues().len(), 1, "the writer still has the queue");
        drop(new);
        assert_eq!(sinks.queues().len(), 0);
        let _again = sinks.sink(&file("a"));
        assert_eq!(sinks.take_new().len(), 1);
    }

    #[test]
    fn lines_to_standard_error_join_those_of_the_log() {
        let log = Arc::new(LineQueue::default());
        let sinks = LineSinks::with_log(log.clone());
        let sink = sinks.sink(&Destination::StandardError);
        sink.push(b"1\n");
        drop(sink);
        log.push(b"2\n", Importance::High);
        assert_eq!(lines(&log), "1\n2\n", "the log stays open");
        assert!(sinks.take_new().is_empty());
    }

    #[test]
    fn counts_the_lines_that_do_not_fit_into_any_queue() {
        let sinks = LineSinks::with_log(Arc::default());
        let (file, log) = (
            sinks.sink(&file("a")),
            sinks.sink(&Destination::StandardError),
        );
        let long = [vec![b'x'; 1 << 21], vec![b'\n']].concat();
        file.push(&long);
        log.push(&long);
        assert_eq!(sinks.dropped(), 2);
    }
}
