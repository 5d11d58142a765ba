//! A second descriptor of a client's connection, for as long as a request has a long body.
//!
//! While a body waits for its endpoint nothing reads from the client, so only the system knows that it has left.

use super::super::stream::READ_AHEAD;
use super::Connection;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpStream;
use tracing::debug;

/// The descriptor, and whether it is wanted.
#[derive(Debug, Default)]
pub(super) struct Descriptor {
    wanted: AtomicBool,
    socket: Mutex<Option<OwnedFd>>,
}

impl Connection {
    /// Lets [`has_left`](Self::has_left) see the client from the next read on, until the request is done.
    pub fn want_descriptor(&self) {
        self.descriptor.wanted.store(true, Ordering::Relaxed);
    }

    /// Takes a second descriptor if it is wanted. Called with each read: costs a load if it isn't.
    pub(crate) fn offer_descriptor(&self, tcp: &TcpStream) {
        if !self.descriptor.wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut socket = self.lock_descriptor();
        if socket.is_none() {
            match tcp.as_fd().try_clone_to_owned() {
                Ok(descriptor) => *socket = Some(descriptor),
                Err(error) => debug!(%error, "no second descriptor for a client's connection"),
            }
        }
    }

    /// Closes the second descriptor, if there is one.
    pub(super) fn close_descriptor(&self) {
        if self.descriptor.wanted.load(Ordering::Relaxed) {
            self.descriptor.wanted.store(false, Ordering::Relaxed);
            *self.lock_descriptor() = None;
        }
    }

    /// Whether the client can't send the `missing` bytes of its request any more: the connection is broken, or the client
    /// has closed its side and less than that has arrived. `None` if the number isn't known.
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
        // Ciphertext is never shorter than what it carries.
        let arrived = ioctl_fionread(socket).unwrap_or(u64::MAX);
        missing.is_some_and(|missing| arrived.saturating_add(READ_AHEAD) < missing)
    }

    fn lock_descriptor(&self) -> std::sync::MutexGuard<'_, Option<OwnedFd>> {
        let lock = self.descriptor.socket.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}
