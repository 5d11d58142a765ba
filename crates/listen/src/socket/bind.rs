use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// How many connections may wait to be accepted. The kernel caps it at `net.core.somaxconn`, which is 4096
/// on current Linux.
pub(crate) const BACKLOG: i32 = 4096;

/// A client that is gone without a word is noticed after a minute of silence and three unanswered probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// Why a socket couldn't be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindFailure {
    /// Which kind of failure.
    pub reason: BindFailureReason,
    /// The system's message, and what to do.
    pub message: String,
}

/// Which kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindFailureReason {
    /// The address isn't one of this host's.
    AddressNotAvailable,
    /// Somebody else has the port.
    PortInUse,
    /// A port that only root may bind.
    PermissionDenied,
    /// Anything else.
    Other,
}

/// Binds a listening socket. Connections queue from now on, but nobody accepts them yet.
///
/// `[::]` takes IPv6 only, so that it can stand beside `0.0.0.0` with the same port.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, BindFailure> {
    open(address).map_err(|error| BindFailure::new(address, &error))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a predecessor that still close mustn't hold up the port.
    socket.set_reuse_address(true)?;
    set_options(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What an accepted connection inherits from the socket that it came in by, so that it costs no system
/// call a connection.
pub(crate) fn set_options<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let socket = socket.into();
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES),
    )
}

impl BindFailure {
    fn new(address: SocketAddr, error: &io::Error) -> Self {
        let reason = BindFailureReason::of(error);
        let port = address.port();
        let message = match reason {
            BindFailureReason::AddressNotAvailable => format!(
                "{address} can't be bound: {error}; the address isn't one of this host's: add it to an \
                 interface, or change `spec.addresses` or `--address`"
            ),
            BindFailureReason::PortInUse => format!(
                "{address} can't be bound: {error}; another process has the port (`ss -ltnp` shows which): \
                 stop it, or move this one with `--port-map {port}=PORT`"
            ),
            BindFailureReason::PermissionDenied => format!(
                "{address} can't be bound: {error}; low ports need a right: shift the port with `--port-map \
                 {port}={}`, give the process the capability CAP_NET_BIND_SERVICE, or lower the sysctl \
                 net.ipv4.ip_unprivileged_port_start",
                unprivileged(port)
            ),
            BindFailureReason::Other => format!("{address} can't be bound: {error}"),
        };
        BindFailure { reason, message }
    }

    /// A socket of our own is in the way: one of the two is on every address.
    pub(crate) fn overlap(address: SocketAddr, own: SocketAddr) -> Self {
        BindFailure {
            reason: BindFailureReason::PortInUse,
            message: format!(
                "{address} can't be bound: {own} is bound for another listener of these manifests, and a port can't \
                 be on every address and on a single one at once: give all Gateways with port {} addresses \
                 (`spec.addresses`, `--address`), or none of them, or move one with `--port-map`",
                address.port()
            ),
        }
    }
}

impl BindFailureReason {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrNotAvailable => BindFailureReason::AddressNotAvailable,
            io::ErrorKind::AddrInUse => BindFailureReason::PortInUse,
            io::ErrorKind::PermissionDenied => BindFailureReason::PermissionDenied,
            // A host without IPv6 says "address family not supported", a kind that std has no name for.
            io::ErrorKind::Unsupported => BindFailureReason::AddressNotAvailable,
            _ if error.raw_os_error() == Some(EAFNOSUPPORT) => {
                BindFailureReason::AddressNotAvailable
            }
            _ => BindFailureReason::Other,
        }
    }
}

/// Linux's number, which the standard library doesn't map to a kind.
const EAFNOSUPPORT: i32 = 97;

/// A port that needs no right: 80 becomes 8080, 443 becomes 8443.
fn unprivileged(port: u16) -> u16 {
    if port < 1024 {
        port.saturating_add(8000)
    } else {
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn accepted_connections_inherit_the_options_of_their_socket() {
        let listener = bind(loopback(0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let _client = std::net::TcpStream::connect(address).expect("the backlog takes it");
        let accepted = loop {
            match listener.accept() {
                Ok((accepted, _)) => break accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        assert!(accepted.nodelay().expect("TCP_NODELAY"));
        assert!(SockRef::from(&accepted).keepalive().expect("SO_KEEPALIVE"));
    }

    #[test]
    fn a_port_in_use_is_a_value_that_says_what_to_do() {
        let first = bind(loopback(0)).expect("a free port");
        let address = first.local_addr().expect("its address");
        let failure = bind(address).expect_err("the port is taken");
        assert_eq!(failure.reason, BindFailureReason::PortInUse);
        assert!(failure.message.contains("--port-map"), "{failure:?}");
    }

    #[test]
    fn a_foreign_address_is_told_from_a_port_in_use() {
        // TEST-NET-1 (RFC 5737) is nobody's address.
        let failure = bind(SocketAddr::from(([192, 0, 2, 1], 0))).expect_err("not this host's");
        assert_eq!(failure.reason, BindFailureReason::AddressNotAvailable);
    }

    #[test]
    fn a_refused_low_port_names_the_port_map_the_capability_and_the_sysctl() {
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        let failure = BindFailure::new(loopback(443), &error);
        assert_eq!(failure.reason, BindFailureReason::PermissionDenied);
        for hint in [
            "--port-map 443=8443",
            "CAP_NET_BIND_SERVICE",
            "ip_unprivileged_port_start",
        ] {
            assert!(failure.message.contains(hint), "{hint}: {failure:?}");
        }
    }

    #[test]
    fn both_families_share_a_port_on_every_interface() {
        let v4 = bind(SocketAddr::from(([0, 0, 0, 0], 0))).expect("a free port");
        let port = v4.local_addr().expect("its address").port();
        match bind(SocketAddr::from(([0u16; 8], port))) {
            Ok(_) => {}
            // A host without IPv6.
            Err(failure) => assert_eq!(failure.reason, BindFailureReason::AddressNotAvailable),
        }
    }
}
