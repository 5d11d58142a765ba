//! Listening sockets from systemd.

use crate::socket::inherited::InheritedSocket;
use gatefold_dataplane::SocketKey;
use socket2::SockRef;
use std::io;
use std::net::{Ipv6Addr, TcpListener};
use tracing::{info, warn};

/// A listening socket that systemd has bound. systemd holds it too, so closing it here wouldn't free the port.
#[derive(Debug)]
pub(crate) struct ActivatedSocket {
    name: String,
    listener: TcpListener,
    dual_stack: bool,
    /// Whether the log has a warning that no listener uses it.
    warned: bool,
}

impl ActivatedSocket {
    pub(crate) fn new(name: String, listener: TcpListener, key: SocketKey) -> Self {
        let everywhere = key.ip() == Ipv6Addr::UNSPECIFIED;
        let only_v6 = SockRef::from(&listener).only_v6().unwrap_or(true);
        ActivatedSocket {
            name,
            listener,
            dual_stack: everywhere && !only_v6,
            warned: false,
        }
    }

    /// Whether it also accepts IPv4 clients.
    pub(crate) fn is_dual_stack(&self) -> bool {
        self.dual_stack
    }

    pub(crate) fn try_clone(&self) -> io::Result<TcpListener> {
        self.listener.try_clone()
    }

    /// Returns a duplicate for a successor.
    pub(crate) fn lend(&self) -> io::Result<InheritedSocket> {
        Ok(InheritedSocket {
            activated: Some(self.name.clone()),
            ..InheritedSocket::from(self.try_clone()?)
        })
    }

    /// Logs a warning if no listener uses the socket, since its clients then wait without an answer. Logs each change only
    /// once.
    pub(crate) fn report_use(&mut self, used: bool, key: SocketKey) {
        if !used && !self.warned {
            warn!(
                socket = %key,
                name = self.name,
                "no listener uses this socket from systemd, so clients that connect to it wait without an answer; remove it \
                 from the .socket unit, or give it (FileDescriptorName=) the name of a listener"
            );
        }
        if used && self.warned {
            info!(socket = %key, name = self.name, "a listener now uses this socket from systemd");
        }
        self.warned = !used;
    }
}
