//! The streams of an HTTP/2 client whose requests have a body that hasn't ended.
//!
//! A header block on such a stream is its trailers; on any other stream it is an error that h2 finds by itself (RFC 9113,
//! section 5.1).

/// At least as many as Pingora lets be open (100).
const MOST: usize = 128;

/// The streams, as far as they are kept.
#[derive(Debug, Default)]
pub(super) struct OpenBodies {
    streams: Vec<u32>,
    /// Whether there were more at once than are kept, so that any stream may be one of them.
    overflowed: bool,
}

impl OpenBodies {
    /// A request with a body has begun.
    pub(super) fn begin(&mut self, stream: u32) {
        if self.streams.len() < MOST {
            self.streams.push(stream);
        } else {
            self.overflowed = true;
        }
    }

    /// The body has ended, or the stream has.
    pub(super) fn end(&mut self, stream: u32) {
        if let Some(place) = self.streams.iter().position(|open| *open == stream) {
            self.streams.swap_remove(place);
        }
    }

    /// Whether the stream's body hasn't ended, as far as that is known.
    pub(super) fn is_open(&self, stream: u32) -> bool {
        self.overflowed || self.streams.contains(&stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_open_from_its_begin_to_its_end() {
        let mut bodies = OpenBodies::default();
        bodies.begin(1);
        bodies.begin(3);
        bodies.end(1);
        bodies.end(5);
        assert!(!bodies.is_open(1));
        assert!(bodies.is_open(3));
    }

    #[test]
    fn any_stream_may_be_open_once_there_were_too_many() {
        let mut bodies = OpenBodies::default();
        (0..MOST as u32).for_each(|stream| bodies.begin(stream));
        assert!(!bodies.is_open(1_000_001));
        bodies.begin(1_000_001);
        assert!(bodies.is_open(1_000_001));
        assert_eq!(bodies.streams.len(), MOST);
    }
}
