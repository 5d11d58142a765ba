//! A second file descriptor of a client's connection, held while a request has a long body.
//!
//! While a body waits for its endpoint nothing reads from the client, so only the kernel knows whether it has left.

use super::Connection;
use crate::connection::stream::READ_AHEAD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpStream;
use tracing::debug;

/// The descriptor, and whether it is needed.
#[derive(Debug, Default)]
pub(crate) struct Descriptor {
    wanted: AtomicBool,
    socket: Mutex<Option<OwnedFd>>,
}

impl Connection {
    /// Enables [`has_left`](Self::has_left) from the next read until the end of the request.
    pub fn want_descriptor(&self) {
        self.descriptor.wanted.store(true, Ordering::Relaxed);
    }

    /// Duplicates the descriptor if it is needed. Called with each read; costs one atomic load if it isn't.
    pub(crate) fn offer_descriptor(&self, tcp: &TcpStream) {
        if !self.descriptor.wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut socket = self.lock_descriptor();
        if socket.is_none() {
            match tcp.as_fd().try_clone_to_owned() {
                Ok(descriptor) => *socket = Some(descriptor),
                Err(error) => debug!(%error, "can't duplicate the socket of a client's connection"),
            }
        }
    }

    /// Closes the second descriptor, if there is one.
    pub(crate) fn close_descriptor(&self) {
        if self.descriptor.wanted.load(Ordering::Relaxed) {
            self.descriptor.wanted.store(false, Ordering::Relaxed);
            *self.lock_descriptor() = None;
        }
    }

    /// Whether the client can no longer send the `missing` bytes of its request: the connection is broken, or the client
    /// has closed its side and fewer bytes have arrived. `missing` is `None` if the number is unknown.
    pub fn has_left(&self, missing: Option<u64>) -> bool {
        let socket = self.lock_descriptor();
        let Some(socket) = socket.as_ref() else {
            return false;
        };
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut polled = [PollFd::new(socket, PollFlags::RDHUP)];
        if !poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0) {
            return false;
        }
        let [polled] = polled;
        if polled.revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return true;
        }
        // Ciphertext is never shorter than its plaintext.
        let arrived = ioctl_fionread(socket).unwrap_or(u64::MAX);
        missing.is_some_and(|missing| arrived.saturating_add(READ_AHEAD) < missing)
    }

    fn lock_descriptor(&self) -> std::sync::MutexGuard<'_, Option<OwnedFd>> {
        let lock = self.descriptor.socket.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}
