//! A queue of pending lines, of the log or of an access log.
//!
//! In: lines from any thread, which are copied. Out: batches of lines for the writing thread. A line that does not fit is
//! dropped and counted: no other thread ever waits for the reader of the lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of pending bytes: about 5,000 lines of the access log. The batch being written may have as many.
const CAPACITY: usize = 2 << 20;
/// The part of the capacity that only warnings and errors may use.
const RESERVED: usize = CAPACITY / 4;

/// Which part of the queue a line may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// A line of the access log, or information. May use all but the reserved part.
    Usual,
    /// A warning or an error. May use the whole queue, so that lines of the access log do not displace it.
    High,
}

/// Pending lines.
#[derive(Debug, Default)]
pub struct LineQueue {
    state: Mutex<QueueState>,
    /// Wakes the writer.
    filled: Condvar,
    /// Wakes the threads that wait until all lines are written.
    written: Condvar,
    dropped: AtomicU64,
    /// The dropped lines of several queues.
    dropped_in_total: Arc<AtomicU64>,
    /// Number of bytes that were written or given up.
    progress: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    lines: Vec<u8>,
    writer: WriterState,
    reopen: bool,
    closed: bool,
}

/// What the writer must know about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number of lines that had been dropped before the batch was taken.
    pub dropped: u64,
    /// Whether to open the file again once the batch is written, since it may have been renamed.
    pub reopen: bool,
    /// Whether this is the last batch.
    pub closed: bool,
}

/// The state of the writing thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WriterState {
    /// Waits for a line and must be woken.
    Waiting,
    /// Writes a batch.
    Writing,
    /// Between two batches. Will check for lines without being woken.
    #[default]
    Between,
}

impl LineQueue {
    /// Creates a queue whose dropped lines are also counted in `dropped_in_total`.
    pub fn new(dropped_in_total: Arc<AtomicU64>) -> Self {
        LineQueue {
            dropped_in_total,
            ..LineQueue::default()
        }
    }

    /// Adds a line, or several that belong together, including their line ends. Returns false if they don't fit, which is
    /// counted.
    pub fn push(&self, lines: &[u8], importance: Importance) -> bool {
        let capacity = match importance {
            Importance::Usual => CAPACITY - RESERVED,
            Importance::High => CAPACITY,
        };
        let mut state = self.lock();
        if state.lines.len() + lines.len() > capacity {
            drop(state);
            self.count_dropped(lines);
            return false;
        }
        state.lines.extend_from_slice(lines);
        self.wake(state);
        true
    }

    /// Makes the writer open its file again.
    pub fn reopen(&self) {
        let mut state = self.lock();
        state.reopen = true;
        self.wake(state);
    }

    /// Makes the writer end once all lines are written.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
    }

    fn wake(&self, mut state: MutexGuard<'_, QueueState>) {
        if state.writer == WriterState::Waiting {
            state.writer = WriterState::Between;
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Waits for lines and swaps them for the empty `batch`, which stays empty if there is only something else to do. Call
    /// [`finish`](Self::finish) when the batch is written.
    pub fn take(&self, batch: &mut Vec<u8>) -> Batch {
        let mut state = self.lock();
        while state.lines.is_empty() && !state.reopen && !state.closed {
            state.writer = WriterState::Waiting;
            let woken = self.filled.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.writer = WriterState::Writing;
        std::mem::swap(&mut state.lines, batch);
        Batch {
            dropped: self.dropped(),
            reopen: std::mem::take(&mut state.reopen),
            closed: state.closed,
        }
    }

    /// Ends a batch.
    pub fn finish(&self) {
        self.lock().writer = WriterState::Between;
        self.written.notify_all();
    }

    /// Records that `bytes` bytes of a batch were written or given up.
    pub fn advance(&self, bytes: usize) {
        self.progress.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts lines that could not be written.
    pub fn count_dropped(&self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        self.dropped_in_total
            .fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The number of dropped lines.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, but at most for `patience` without progress and `limit` in total. Returns
    /// whether all lines are written.
    pub fn wait_until_written(&self, patience: Duration, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut before = self.progress.load(Ordering::Relaxed);
        let mut state = self.lock();
        while !state.lines.is_empty() || state.writer == WriterState::Writing {
            let left = end.saturating_duration_since(Instant::now());
            let waited = self.written.wait_timeout(state, patience.min(left));
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            let now = self.progress.load(Ordering::Relaxed);
            if timeout.timed_out() && (now == before || left <= patience) {
                return state.lines.is_empty() && state.writer != WriterState::Writing;
            }
            before = now;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LINE: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";

    fn take(queue: &LineQueue) -> String {
        let mut batch = Vec::new();
        queue.take(&mut batch);
        String::from_utf8(batch).expect("text")
    }

    #[test]
    fn lines_come_out_in_order_and_wake_the_writer() {
        let queue = LineQueue::default();
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut all = String::new();
                while !all.ends_with("999\n") {
                    all.push_str(&take(&queue));
                    queue.finish();
                }
                all
            });
            for number in 0..1000 {
                queue.push(format!("{number}\n").as_bytes(), Importance::Usual);
            }
            let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
            assert_eq!(writer.join().expect("no panic"), expected);
        });
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn a_full_queue_drops_and_counts_lines_and_keeps_room_for_warnings() {
        let queue = LineQueue::default();
        let fitting = (CAPACITY - RESERVED) / LINE.len();
        for _ in 0..fitting + 7 {
            queue.push(LINE, Importance::Usual);
        }
        assert_eq!(queue.dropped(), 7);
        for _ in 0..RESERVED / LINE.len() {
            queue.push(LINE, Importance::High);
        }
        assert_eq!(queue.dropped(), 7, "warnings use the reserved part");
        queue.push(b"one\ntwo\n", Importance::High);
        assert_eq!(queue.dropped(), 9, "warnings are bounded, too");
        assert_eq!(take(&queue).len(), CAPACITY);
        queue.push(LINE, Importance::Usual);
        assert_eq!(queue.dropped(), 9, "taking a batch frees the queue");
    }

    #[test]
    fn waiting_ends_without_progress_or_when_all_lines_are_written() {
        let (short, long) = (Duration::from_millis(10), Duration::from_secs(30));
        let queue = LineQueue::default();
        assert!(queue.wait_until_written(long, long), "nothing is queued");
        queue.push(LINE, Importance::Usual);
        assert!(!queue.wait_until_written(short, long), "no writer");
        assert_eq!(take(&queue).len(), LINE.len());
        assert!(!queue.wait_until_written(short, long), "a blocked writer");
        assert!(!queue.wait_until_written(long, short), "the limit is over");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait_until_written(long, long));
            queue.finish();
            assert!(waiting.join().expect("no panic"));
        });
    }
}
