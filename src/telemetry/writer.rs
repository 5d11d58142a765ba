//! The thread that writes queued log lines to standard error.
//!
//! Only this thread waits while a reader is slow. What can't be written is counted as dropped, and the next lines are
//! tried again: a disk has room again, a named pipe has a new reader.

use super::queue::Queue;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// How many bytes a pipe takes in one piece (PIPE_BUF, pipe(7)). Processes that share a pipe, as a gatefold and its
/// successor do, write whole lines if they write no more than this at a time.
const PIECE: usize = 4096;
/// How long the writer rests after a batch. Lines that come quickly wake it once in this time, not each.
const REST: Duration = Duration::from_millis(1);
/// How much memory the writer keeps for the next batch.
const KEPT: usize = 64 * 1024;

/// Writes batches of a queue.
pub(super) struct Writer<W> {
    sink: W,
    batch: Vec<u8>,
    /// Whether the last batch could be written.
    intact: bool,
    /// Whether an error has cut off a line.
    mid_line: bool,
    /// How many dropped lines the log has told of.
    reported: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(sink: W) -> Self {
        Writer {
            sink,
            batch: Vec::new(),
            intact: true,
            mid_line: false,
            reported: 0,
        }
    }

    /// Writes for as long as the process lives. `report_gap` gets the number of lines that are missing.
    pub(super) fn run(mut self, queue: &Queue, report_gap: impl Fn(u64)) {
        loop {
            self.write_next(queue, &report_gap);
            thread::sleep(REST);
        }
    }

    /// Waits for lines and writes them.
    fn write_next(&mut self, queue: &Queue, report_gap: impl Fn(u64)) {
        let dropped = queue.take(&mut self.batch);
        // Lines were dropped because this batch filled the queue: the report belongs behind it.
        self.report(dropped, &report_gap);
        let batch = std::mem::take(&mut self.batch);
        self.intact = self.write(&batch, queue);
        self.batch = batch;
        self.batch.clear();
        self.batch.shrink_to(KEPT);
        // Lines were dropped because they couldn't be written, and now they can be.
        self.report(dropped, &report_gap);
        queue.finish();
    }

    /// Reports dropped lines, unless the report itself couldn't be written.
    fn report(&mut self, dropped: u64, report_gap: impl Fn(u64)) {
        if self.intact && dropped > self.reported {
            report_gap(dropped - self.reported);
            self.reported = dropped;
        }
    }

    /// Returns whether all of it could be written.
    fn write(&mut self, mut left: &[u8], queue: &Queue) -> bool {
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

    /// The error is the number of bytes that were written nevertheless.
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

/// The length of as many whole lines as fit into a piece, but of one line at least.
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

/// Standard error without the lock of [`std::io::stderr`]: a thread that waits for a reader must not make others wait.
pub(super) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        loop {
            match rustix::io::write(&stderr, bytes) {
                // A process that shares the terminal or the pipe has made it non-blocking.
                Err(Errno::AGAIN) => {
                    match poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Importance;
    use super::*;
    use std::cell::RefCell;

    /// A disk with so much room.
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

    fn push(queue: &Queue, text: &str) {
        queue.push(text.as_bytes(), Importance::Usual);
    }

    fn text(writer: &Writer<Disk>) -> &str {
        std::str::from_utf8(&writer.sink.text).expect("text")
    }

    #[test]
    fn pieces_are_whole_lines_and_a_long_line_is_a_piece_of_its_own() {
        let queue = Queue::default();
        let mut all = String::new();
        for length in [1000, 3000, 95, 4095, 4096, 20_000, 5] {
            all.push_str(&"x".repeat(length));
            all.push('\n');
        }
        push(&queue, &all);
        let mut writer = Writer::new(Disk::new(usize::MAX));
        writer.write_next(&queue, |_| panic!("no gap"));
        assert_eq!(text(&writer), all);
        assert_eq!(writer.sink.pieces, [4002, 96, 4096, 4097, 20_001, 6]);
    }

    #[test]
    fn a_full_disk_loses_lines_that_are_counted_and_reported_when_it_has_room_again() {
        let queue = Queue::default();
        let gaps = RefCell::new(Vec::new());
        let report = |gap| {
            gaps.borrow_mut().push(gap);
            push(&queue, "gap\n");
        };
        let mut writer = Writer::new(Disk::new(8));
        push(&queue, "first\nsecond\nthird\n");
        writer.write_next(&queue, report);
        assert_eq!(text(&writer), "first\nse");
        assert_eq!(queue.dropped(), 2);
        push(&queue, "fourth\n");
        writer.write_next(&queue, report);
        assert_eq!(queue.dropped(), 3);
        assert!(gaps.borrow().is_empty(), "a report couldn't be written");
        writer.sink.room = usize::MAX;
        push(&queue, "fifth\n");
        writer.write_next(&queue, report);
        push(&queue, "sixth\n");
        writer.write_next(&queue, report);
        assert_eq!(text(&writer), "first\nse\nfifth\ngap\nsixth\n");
        assert_eq!(*gaps.borrow(), [3], "once");
    }

    #[test]
    fn lines_that_found_no_room_are_reported_behind_those_that_filled_the_queue() {
        let queue = Queue::default();
        let line = format!("{}\n", "x".repeat(1023));
        while queue.dropped() == 0 {
            push(&queue, &line);
        }
        let mut writer = Writer::new(Disk::new(usize::MAX));
        let report = |gap| push(&queue, &format!("gap of {gap}\n"));
        writer.write_next(&queue, report);
        push(&queue, "later\n");
        writer.write_next(&queue, report);
        assert!(text(&writer).ends_with("x\ngap of 1\nlater\n"));
    }

    #[test]
    fn memory_of_a_large_batch_is_given_back() {
        let queue = Queue::default();
        push(&queue, &"a line\n".repeat(100_000));
        let mut writer = Writer::new(Disk::new(usize::MAX));
        writer.write_next(&queue, |_| ());
        assert!(writer.batch.capacity() <= KEPT);
    }
}
