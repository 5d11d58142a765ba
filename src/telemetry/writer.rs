//! The thread that writes queued lines, of the log or of an access log.
//!
//! Only this thread waits for a slow reader. Lines that can't be written are counted as dropped. Later lines are written
//! again when that works: a disk may have space again, a named pipe may have a new reader.

use gatefold_dataplane::access_log::{Batch, LineQueue};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

/// Number of bytes that a pipe accepts atomically (PIPE_BUF, pipe(7)). Processes that share a pipe, such as a gatefold and
/// its successor, don't mix their lines if each write is at most this long.
const PIECE: usize = 4096;
/// How long the writer pauses after a batch, so that a fast sequence of lines does not wake it for each line.
const REST: Duration = Duration::from_millis(1);
/// Number of bytes of memory that the writer keeps for the next batch.
const KEPT: usize = 64 * 1024;

/// What lines are written to.
pub(super) trait Output: Write {
    /// Opens the output again, since its file may have been renamed. Returns whether it is another file now.
    fn reopen(&mut self) -> bool {
        false
    }
}

/// Writes batches of a queue.
pub(super) struct LogWriter<W> {
    sink: W,
    batch: Vec<u8>,
    /// Whether the last batch was written completely.
    intact: bool,
    /// Whether an error has interrupted a line.
    mid_line: bool,
    /// The number of dropped lines that have been reported in the log.
    reported: u64,
}

impl<W: Output> LogWriter<W> {
    pub(super) fn new(sink: W) -> Self {
        LogWriter {
            sink,
            batch: Vec::new(),
            intact: true,
            mid_line: false,
            reported: 0,
        }
    }

    /// Writes until the queue is closed. Calls `report_gap` with the number of missing lines.
    pub(super) fn run(mut self, queue: &LineQueue, mut report_gap: impl FnMut(u64)) {
        while !self.write_next(queue, &mut report_gap).closed {
            thread::sleep(REST);
        }
    }

    /// Waits for lines and writes them.
    fn write_next(&mut self, queue: &LineQueue, mut report_gap: impl FnMut(u64)) -> Batch {
        let taken = queue.take(&mut self.batch);
        let dropped = taken.dropped;
        // Lines were dropped because this batch filled the queue. The report follows the batch.
        self.report(dropped, &mut report_gap);
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            self.intact = self.write(&batch, queue);
        }
        self.batch = batch;
        self.batch.clear();
        self.batch.shrink_to(KEPT);
        // Lines were dropped because they couldn't be written, and writing works again.
        self.report(dropped, &mut report_gap);
        if taken.reopen && self.sink.reopen() {
            self.mid_line = false;
        }
        queue.finish();
        taken
    }

    /// Reports dropped lines, unless writing currently fails.
    fn report(&mut self, dropped: u64, report_gap: &mut impl FnMut(u64)) {
        if self.intact && dropped > self.reported {
            report_gap(dropped - self.reported);
            self.reported = dropped;
        }
    }

    /// Returns whether everything was written.
    fn write(&mut self, mut left: &[u8], queue: &LineQueue) -> bool {
        if self.mid_line && self.write_piece(b"\n").is_err() {
            queue.count_dropped(left);
            queue.advance(left.len());
            return false;
        }
        while !left.is_empty() {
            let (piece, rest) = left.split_at(whole_lines(left));
            if let Err(written) = self.write_piece(piece) {
                let lost = left.get(written..).unwrap_or_default();
                queue.count_dropped(lost);
                queue.advance(left.len());
                return false;
            }
            queue.advance(piece.len());
            left = rest;
        }
        true
    }

    /// Writes a piece. The error is the number of bytes that were written before it failed.
    fn write_piece(&mut self, piece: &[u8]) -> Result<(), usize> {
        let mut written = 0;
        while let Some(left) = piece.get(written..).filter(|left| !left.is_empty()) {
            match self.sink.write(left) {
                Ok(0) => return Err(written),
                Ok(length) => {
                    written += length;
                    let last = written.checked_sub(1).and_then(|last| piece.get(last));
                    self.mid_line = last.is_some_and(|byte| *byte != b'\n');
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(written),
            }
        }
        Ok(())
    }
}

/// The length of as many whole lines as fit into a piece, but at least of one line.
fn whole_lines(text: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let Some((first, rest)) = text.split_at_checked(PIECE) else {
        return text.len();
    };
    match first.iter().rposition(is_end) {
        Some(end) => end + 1,
        None => (rest.iter().position(is_end)).map_or(text.len(), |end| PIECE + end + 1),
    }
}

/// Standard error without the lock of [`std::io::stderr`], so that a thread that waits for a reader does not block others.
pub(super) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_waiting(io::stderr(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for StandardError {}

/// Writes to a descriptor, and waits until it accepts bytes: another process that shares the terminal or the pipe may have made
/// it non-blocking.
pub(super) fn write_waiting(output: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::io::write(&output, bytes) {
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&output, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            written => return Ok(written?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_dataplane::access_log::Importance;
    use std::cell::RefCell;

    /// A disk with `room` free bytes.
    struct Disk {
        room: usize,
        text: Vec<u8>,
        pieces: Vec<usize>,
    }

    impl Disk {
        fn new(room: usize) -> Self {
            Disk {
                room,
                text: Vec::new(),
                pieces: Vec::new(),
            }
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(self.room);
            if length == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= length;
            self.text.extend_from_slice(&bytes[..length]);
            self.pieces.push(length);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Disk {}

    fn push(queue: &LineQueue, text: &str) {
        queue.push(text.as_bytes(), Importance::Usual);
    }

    fn text(writer: &LogWriter<Disk>) -> &str {
        std::str::from_utf8(&writer.sink.text).expect("text")
    }

    #[test]
    fn pieces_are_whole_lines_and_a_long_line_is_one_piece() {
        let queue = LineQueue::default();
        let mut all = String::new();
        for length in [1000, 3000, 95, 4095, 4096, 20_000, 5] {
            all.push_str(&"x".repeat(length));
            all.push('\n');
        }
        push(&queue, &all);
        let mut writer = LogWriter::new(Disk::new(usize::MAX));
        writer.write_next(&queue, |_| panic!("no gap"));
        assert_eq!(text(&writer), all);
        assert_eq!(writer.sink.pieces, [4002, 96, 4096, 4097, 20_001, 6]);
    }

    #[test]
    fn lines_lost_on_a_full_disk_are_counted_and_reported_when_writing_works_again() {
        let queue = LineQueue::default();
        let gaps = RefCell::new(Vec::new());
        let report = |gap| {
            gaps.borrow_mut().push(gap);
            push(&queue, "gap\n");
        };
        let mut writer = LogWriter::new(Disk::new(8));
        push(&queue, "first\nsecond\nthird\n");
        writer.write_next(&queue, report);
        assert_eq!(text(&writer), "first\nse");
        assert_eq!(queue.dropped(), 2);
        push(&queue, "fourth\n");
        writer.write_next(&queue, report);
        assert_eq!(queue.dropped(), 3);
        assert!(gaps.borrow().is_empty(), "a report can't be written yet");
        writer.sink.room = usize::MAX;
        push(&queue, "fifth\n");
        writer.write_next(&queue, report);
        push(&queue, "sixth\n");
        writer.write_next(&queue, report);
        assert_eq!(text(&writer), "first\nse\nfifth\ngap\nsixth\n");
        assert_eq!(*gaps.borrow(), [3], "the gap must be reported once");
    }

    #[test]
    fn lines_that_did_not_fit_are_reported_after_the_full_queue() {
        let queue = LineQueue::default();
        let line = format!("{}\n", "x".repeat(1023));
        while queue.dropped() == 0 {
            push(&queue, &line);
        }
        let mut writer = LogWriter::new(Disk::new(usize::MAX));
        let report = |gap| push(&queue, &format!("gap of {gap}\n"));
        writer.write_next(&queue, report);
        push(&queue, "later\n");
        writer.write_next(&queue, report);
        assert!(text(&writer).ends_with("x\ngap of 1\nlater\n"));
    }

    #[test]
    fn frees_the_memory_of_a_large_batch() {
        let queue = LineQueue::default();
        push(&queue, &"a line\n".repeat(100_000));
        let mut writer = LogWriter::new(Disk::new(usize::MAX));
        writer.write_next(&queue, |_| ());
        assert!(writer.batch.capacity() <= KEPT);
    }
}
