use crate::socket::inherited::Inherited;
use socket2::SockRef;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use tracing::{info, warn};

/// A socket that systemd has bound. It holds it, too, so closing it here wouldn't free the port.
#[derive(Debug)]
pub(crate) struct ActivatedSocket {
    name: String,
    listener: TcpListener,
    dual_stack: bool,
    /// Whether it was said that nobody uses it.
    told: bool,
}

impl ActivatedSocket {
    pub(crate) fn new(name: String, listener: TcpListener, address: SocketAddr) -> Self {
        let everywhere = address.ip() == Ipv6Addr::UNSPECIFIED;
        let only_v6 = SockRef::from(&listener).only_v6().unwrap_or(true);
        ActivatedSocket {
            name,
            listener,
            dual_stack: everywhere && !only_v6,
            told: false,
        }
    }

    /// Whether it takes clients of IPv4, too.
    pub(crate) fn is_dual_stack(&self) -> bool {
        self.dual_stack
    }

    pub(crate) fn try_clone(&self) -> io::Result<TcpListener> {
        self.listener.try_clone()
    }

    /// A duplicate for a successor.
    pub(crate) fn lend(&self) -> io::Result<Inherited> {
        Ok(Inherited {
            listener: self.try_clone()?,
            activated: Some(self.name.clone()),
        })
    }

    /// Says once that no listener wants it, since whoever connects there waits in vain.
    pub(crate) fn wanted(&mut self, wanted: bool, address: SocketAddr) {
        if !wanted && !self.told {
            warn!(
                socket = %address,
                name = self.name,
                "no listener uses this socket of systemd's: clients that connect there wait in vain; remove it \
                 from the .socket unit, or name it (FileDescriptorName=) as a listener is named"
            );
        }
        if wanted && self.told {
            info!(socket = %address, name = self.name, "a listener uses this socket of systemd's now");
        }
        self.told = !wanted;
    }
}
