//! Keeps the `Date` of a backend's response over HTTP/1.
//!
//! `Date` is when the origin created the response (RFC 9110, section 6.6.1), and caches compute its age from it. Pingora 0.9.1
//! overwrites it after the last hook, so it is put back into the bytes that Pingora writes. All HTTP dates have the same
//! length. Over HTTP/2 headers are compressed, so Pingora's date stays.

use crate::connection::Connection;
use http::HeaderValue;
use pingora_core::protocols::http::date::get_cached_date;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// `Sun, 06 Nov 1994 08:49:37 GMT`
const LENGTH: usize = 29;
/// As Pingora spells it.
const NAME: &[u8] = b"\r\nDate: ";

/// A response's header with the backend's date, until all of it is written.
#[derive(Debug, Default)]
pub(crate) struct DatedHeader {
    bytes: Vec<u8>,
    written: usize,
}

impl Connection {
    /// Makes the next response keep `date`, unless it is the current date anyway.
    pub fn keep_date(&self, date: &HeaderValue) {
        if date.len() != LENGTH || *date == get_cached_date() {
            return;
        }
        *self.date.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.clone());
        self.dated.store(true, Ordering::Release);
    }

    fn take_date(&self) -> Option<HeaderValue> {
        if !self.dated.load(Ordering::Acquire) {
            return None;
        }
        self.dated.store(false, Ordering::Relaxed);
        let mut date = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        date.take()
    }
}

impl DatedHeader {
    /// Returns the bytes to write instead of Pingora's `bytes`.
    pub(crate) fn replace<'b>(&'b mut self, bytes: &'b [u8], connection: &Connection) -> &'b [u8] {
        if let Some(date) = connection.take_date() {
            self.begin(bytes, &date);
        }
        if self.bytes.is_empty() {
            return bytes;
        }
        match self.bytes.get(self.written..) {
            // The rest of the same header: Pingora passes the unwritten bytes again.
            Some(rest) if rest.len() == bytes.len() => rest,
            _ => bytes,
        }
    }

    /// Records that `count` bytes were written.
    pub(crate) fn advance(&mut self, count: usize) {
        if self.bytes.is_empty() {
            return;
        }
        self.written += count;
        if self.written >= self.bytes.len() {
            *self = DatedHeader::default();
        }
    }

    fn begin(&mut self, bytes: &[u8], date: &HeaderValue) {
        let mut bytes = bytes.to_vec();
        let Some(begin) = memchr::memmem::find(&bytes, NAME).map(|at| at + NAME.len()) else {
            return;
        };
        if let Some(place) = bytes.get_mut(begin..begin + LENGTH) {
            place.copy_from_slice(date.as_bytes());
            *self = DatedHeader { bytes, written: 0 };
        }
    }
}
