//! The streams of an HTTP/2 client on which a request body is in progress.
//!
//! A header block on such a stream is its trailers. On any other stream it is an error that h2 detects itself (RFC 9113,
//! section 5.1).

/// Upper bound on tracked streams. Pingora allows 100 concurrent streams.
const MAX_STREAMS: usize = 128;

/// The tracked streams.
#[derive(Debug, Default)]
pub(crate) struct OpenBodies {
    streams: Vec<u32>,
    /// Whether there were more streams than can be tracked, so that any stream may have an open body.
    overflowed: bool,
}

impl OpenBodies {
    /// Records that a request with a body has begun.
    pub(crate) fn begin(&mut self, stream: u32) {
        if self.streams.len() < MAX_STREAMS {
            self.streams.push(stream);
        } else {
            self.overflowed = true;
        }
    }

    /// Records that the body or the stream has ended.
    pub(crate) fn end(&mut self, stream: u32) {
        if let Some(place) = self.streams.iter().position(|open| *open == stream) {
            self.streams.swap_remove(place);
        }
    }

    /// Whether the stream's body hasn't ended, or may not have ended.
    pub(crate) fn is_open(&self, stream: u32) -> bool {
        self.overflowed || self.streams.contains(&stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_open_until_its_end() {
        let mut bodies = OpenBodies::default();
        bodies.begin(1);
        bodies.begin(3);
        bodies.end(1);
        bodies.end(5);
        assert!(!bodies.is_open(1));
        assert!(bodies.is_open(3));
    }

    #[test]
    fn any_body_may_be_open_after_an_overflow() {
        let mut bodies = OpenBodies::default();
        (0..MAX_STREAMS as u32).for_each(|stream| bodies.begin(stream));
        assert!(!bodies.is_open(1_000_001));
        bodies.begin(1_000_001);
        assert!(bodies.is_open(1_000_001));
        assert_eq!(bodies.streams.len(), MAX_STREAMS);
    }
}
