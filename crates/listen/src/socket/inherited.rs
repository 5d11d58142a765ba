//! Sockets that another process has bound: systemd, or the gatefold process that this one replaces.

use gatefold_dataplane::{SocketKey, Transport};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A bound socket, with its transport as the kernel reports it.
#[derive(Debug)]
pub enum BoundSocket {
    /// A TCP socket that listens.
    Tcp(TcpListener),
    /// A UDP socket.
    Udp(UdpSocket),
}

impl BoundSocket {
    /// The transport protocol.
    pub fn transport(&self) -> Transport {
        match self {
            BoundSocket::Tcp(_) => Transport::Tcp,
            BoundSocket::Udp(_) => Transport::Udp,
        }
    }

    /// What identifies the socket.
    ///
    /// # Errors
    ///
    /// If the kernel doesn't return its address.
    pub fn key(&self) -> io::Result<SocketKey> {
        match self {
            BoundSocket::Tcp(listener) => listener.local_addr().map(SocketKey::tcp),
            BoundSocket::Udp(socket) => socket.local_addr().map(SocketKey::udp),
        }
    }

    /// Returns the socket if it accepts connections.
    ///
    /// # Errors
    ///
    /// If it is a UDP socket, which nothing serves.
    pub fn into_tcp(self) -> io::Result<TcpListener> {
        match self {
            BoundSocket::Tcp(listener) => Ok(listener),
            BoundSocket::Udp(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is a UDP socket, and gatefold serves TCP only",
            )),
        }
    }
}

impl TryFrom<OwnedFd> for BoundSocket {
    type Error = io::Error;

    /// Asks the kernel for the type of a socket.
    ///
    /// # Errors
    ///
    /// If it is neither a listening TCP socket nor a UDP socket.
    fn try_from(descriptor: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(descriptor);
        let is_internet = matches!(socket.domain()?, Domain::IPV4 | Domain::IPV6);
        match socket.r#type()? {
            Type::STREAM if is_internet && socket.is_listener()? => {
                Ok(BoundSocket::Tcp(socket.into()))
            }
            Type::DGRAM if is_internet => Ok(BoundSocket::Udp(socket.into())),
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is neither a TCP socket that listens nor a UDP socket",
            )),
        }
    }
}

impl AsFd for BoundSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            BoundSocket::Tcp(listener) => listener.as_fd(),
            BoundSocket::Udp(socket) => socket.as_fd(),
        }
    }
}

/// A socket that another process has bound.
#[derive(Debug)]
pub struct InheritedSocket {
    /// The socket.
    pub socket: BoundSocket,
    /// The name that systemd gave it (`FileDescriptorName=`); `None` for a socket that a predecessor bound itself.
    pub activated: Option<String>,
}

impl From<TcpListener> for InheritedSocket {
    /// A socket that a predecessor bound itself.
    fn from(listener: TcpListener) -> Self {
        InheritedSocket {
            socket: BoundSocket::Tcp(listener),
            activated: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn bound(socket: impl Into<OwnedFd>) -> io::Result<BoundSocket> {
        BoundSocket::try_from(socket.into())
    }

    #[test]
    fn reports_the_transport_of_a_descriptor() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = tcp.local_addr().expect("its address");
        let tcp = bound(tcp).expect("a TCP socket");
        assert_eq!(tcp.key().expect("its key"), SocketKey::tcp(address));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = udp.local_addr().expect("its address");
        let udp = bound(udp).expect("a UDP socket");
        assert_eq!(udp.key().expect("its key"), SocketKey::udp(address));
        udp.into_tcp()
            .expect_err("a UDP socket doesn't accept connections");
    }

    #[test]
    fn refuses_sockets_that_neither_listen_nor_receive_datagrams() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = std::net::TcpStream::connect(tcp.local_addr().expect("its address"));
        bound(client.expect("a connection")).expect_err("a connected socket");
        let (unix, _other) = UnixStream::pair().expect("a pair");
        bound(unix).expect_err("a Unix socket");
    }
}
