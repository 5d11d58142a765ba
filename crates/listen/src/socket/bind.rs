//! Binds listening sockets, and explains failures.

use super::Failures;
use gatefold_dataplane::{SocketKey, Transport};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

/// Maximum number of connections that wait to be accepted. The kernel caps it at `net.core.somaxconn`, which is 4096 on
/// current Linux.
pub(crate) const BACKLOG: i32 = 4096;

/// A client that has vanished is detected after a minute of silence and three unanswered probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// Why a socket couldn't be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindFailure {
    /// Which kind of failure.
    pub reason: BindFailureReason,
    /// The kernel's message, and what to do about it.
    pub message: String,
}

/// Which kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindFailureReason {
    /// The address doesn't belong to this host.
    AddressNotAvailable,
    /// Another socket is bound to the port.
    PortInUse,
    /// The process may not bind the port.
    PermissionDenied,
    /// Anything else.
    Other,
}

/// Binds a listening socket. Connections queue from now on, but aren't accepted yet.
///
/// A socket for `[::]` accepts IPv6 only, so that one for `0.0.0.0` can have the same port.
pub(crate) fn bind(key: SocketKey) -> Result<TcpListener, BindFailure> {
    match key.transport {
        Transport::Tcp => open(key.address).map_err(|error| BindFailure::new(key.address, &error)),
        Transport::Udp => Err(BindFailure {
            reason: BindFailureReason::Other,
            message: format!("{key} can't be bound: gatefold serves TCP only"),
        }),
    }
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
    // Connections of an earlier process in TIME_WAIT must not block the port.
    socket.set_reuse_address(true)?;
    set_options(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets options that accepted connections inherit from their socket, which saves a system call for each connection.
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
                 interface, change `spec.addresses` or `--address`, or replace it with `--address NS/GATEWAY=IP`"
            ),
            BindFailureReason::PortInUse => format!(
                "{address} can't be bound: {error}; another process has the port (`ss -ltnp` shows which): \
                 stop it, or move this one with `--port-map {port}=PORT`"
            ),
            BindFailureReason::PermissionDenied => format!(
                "{address} can't be bound: {error}; ports below 1024 need a permission: move the port with `--port-map \
                 {port}={}`, give the process the capability CAP_NET_BIND_SERVICE, or lower the sysctl \
                 net.ipv4.ip_unprivileged_port_start",
                unprivileged(port)
            ),
            BindFailureReason::Other => format!("{address} can't be bound: {error}"),
        };
        BindFailure { reason, message }
    }

    /// A socket of this process conflicts: one of the two listens on every address.
    pub(crate) fn overlap(key: SocketKey, own: SocketKey) -> Self {
        BindFailure {
            reason: BindFailureReason::PortInUse,
            message: format!(
                "{key} can't be bound: {own} is bound for another listener of these manifests, and a port can't \
                 be bound on every address and on a single address at the same time: set addresses (`spec.addresses`, \
                 `--address`) for all Gateways with port {} or for none of them, or move one of the ports with `--port-map`",
                key.port()
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
            // A host without IPv6 returns EAFNOSUPPORT, for which `io::ErrorKind` has no variant.
            io::ErrorKind::Unsupported => BindFailureReason::AddressNotAvailable,
            _ if error.raw_os_error() == Some(EAFNOSUPPORT) => {
                BindFailureReason::AddressNotAvailable
            }
            _ => BindFailureReason::Other,
        }
    }
}

/// Removes the failure of `[::]` on a host without IPv6 if `0.0.0.0` is bound: both together mean "every interface". Nothing
/// else decides whether the host has IPv6.
pub(super) fn ignore_missing_ipv6(failures: &mut Failures, is_bound: impl Fn(SocketKey) -> bool) {
    failures.retain(|key, failure| {
        !(key.ip() == Ipv6Addr::UNSPECIFIED
            && failure.reason == BindFailureReason::AddressNotAvailable
            && is_bound(key.with_ip(Ipv4Addr::UNSPECIFIED)))
    });
}

/// The error number on Linux.
const EAFNOSUPPORT: i32 = 97;

/// A port that needs no permission: 80 becomes 8080, 443 becomes 8443.
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

    fn loopback(port: u16) -> SocketKey {
        SocketKey::tcp(([127, 0, 0, 1], port))
    }

    #[test]
    fn accepted_connections_inherit_the_options_of_their_socket() {
        let listener = bind(loopback(0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let _client = std::net::TcpStream::connect(address).expect("a place in the backlog");
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
    fn port_in_use_is_a_failure_with_advice() {
        let first = bind(loopback(0)).expect("a free port");
        let address = first.local_addr().expect("its address");
        let failure = bind(SocketKey::tcp(address)).expect_err("the port is in use");
        assert_eq!(failure.reason, BindFailureReason::PortInUse);
        assert!(failure.message.contains("--port-map"), "{failure:?}");
    }

    #[test]
    fn distinguishes_an_address_of_another_host_from_a_port_in_use() {
        // TEST-NET-1 (RFC 5737) belongs to no host.
        let failure = bind(SocketKey::tcp(([192, 0, 2, 1], 0)))
            .expect_err("the address doesn't belong to this host");
        assert_eq!(failure.reason, BindFailureReason::AddressNotAvailable);
    }

    #[test]
    fn refused_low_port_mentions_port_map_capability_and_sysctl() {
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        let failure = BindFailure::new(loopback(443).address, &error);
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
    fn udp_sockets_are_refused() {
        let failure = bind(SocketKey::udp(([127, 0, 0, 1], 0))).expect_err("UDP isn't served");
        assert!(failure.message.contains("/udp"), "{failure:?}");
    }

    #[test]
    fn both_families_share_a_port_on_every_interface() {
        let v4 = bind(SocketKey::tcp(([0, 0, 0, 0], 0))).expect("a free port");
        let port = v4.local_addr().expect("its address").port();
        match bind(SocketKey::tcp(([0u16; 8], port))) {
            Ok(_) => {}
            // A host without IPv6.
            Err(failure) => assert_eq!(failure.reason, BindFailureReason::AddressNotAvailable),
        }
    }

    /// What remains of the failures of a socket if `0.0.0.0` is bound at port 80.
    fn remaining(address: ([u16; 8], u16), reason: BindFailureReason) -> usize {
        let bound = SocketKey::tcp(([0, 0, 0, 0], 80));
        let message = String::new();
        let failure = BindFailure { reason, message };
        let mut failures = Failures::from([(SocketKey::tcp(address), failure)]);
        ignore_missing_ipv6(&mut failures, |key| key == bound);
        failures.len()
    }

    #[test]
    fn missing_ipv6_is_no_failure_if_ipv4_is_bound_on_every_interface() {
        let everywhere = [0; 8];
        let missing = BindFailureReason::AddressNotAvailable;
        assert_eq!(remaining((everywhere, 80), missing), 0);
        assert_eq!(
            remaining((everywhere, 81), missing),
            1,
            "`0.0.0.0` isn't bound at this port"
        );
        assert_eq!(
            remaining(([0, 0, 0, 0, 0, 0, 0, 1], 80), missing),
            1,
            "a single address was asked for"
        );
        assert_eq!(
            remaining((everywhere, 80), BindFailureReason::PortInUse),
            1,
            "the host has IPv6"
        );
    }
}
