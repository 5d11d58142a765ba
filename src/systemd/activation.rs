//! Sockets from systemd (socket activation).

use gatefold_listen::{BoundSocket, InheritedSocket};
use listenfd::ListenFd;
use std::env;
use std::io;
use std::os::fd::OwnedFd;
use tracing::warn;

/// The name of the admin API's socket.
const ADMIN: &str = "admin";
/// The name of a socket without a name (sd_listen_fds(3)).
const UNKNOWN: &str = "unknown";

/// The sockets that systemd has bound for the service (systemd.socket(5)).
#[derive(Debug, Default)]
pub struct Activation {
    /// The socket of the admin API: `FileDescriptorName=admin`.
    pub admin: Option<InheritedSocket>,
    /// The sockets of listeners.
    pub listeners: Vec<InheritedSocket>,
    /// The names of sockets that can't be used, and why.
    refused: Vec<(String, io::Error)>,
}

impl Activation {
    /// Takes the sockets that `LISTEN_FDS` and `LISTEN_FDNAMES` describe, if they are for this process
    /// (`LISTEN_PID`). Call it once, before threads are started: it removes the variables, so that child processes
    /// don't use them.
    pub fn from_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut activation = Activation::default();
        for index in 0..passed.len() {
            let name = match names.next() {
                None | Some("") => UNKNOWN,
                Some(name) => name,
            };
            activation.add(name, take(&mut passed, index));
        }
        activation
    }

    /// Sorts a socket by its name and transport.
    fn add(&mut self, name: &str, socket: io::Result<BoundSocket>) {
        // gatefold serves TCP only, so UDP sockets are refused here.
        let listener = socket.and_then(BoundSocket::into_tcp);
        let inherited = listener.map(|listener| InheritedSocket {
            activated: Some(name.to_owned()),
            ..InheritedSocket::from(listener)
        });
        match inherited {
            Ok(inherited) if name == ADMIN => self.admin = Some(inherited),
            Ok(inherited) => self.listeners.push(inherited),
            Err(error) => self.refused.push((name.to_owned(), error)),
        }
    }

    /// Logs the sockets that can't be used. The log starts a thread, so this comes after [`from_environment`](Self::from_environment).
    pub fn log_refused(&self) {
        for (name, error) in &self.refused {
            warn!(name, %error, "a socket from systemd isn't used: it must be a TCP socket that listens");
        }
    }
}

/// Takes a socket with the transport that the kernel reports.
fn take(passed: &mut ListenFd, index: usize) -> io::Result<BoundSocket> {
    // Each fails for a socket of another type, and leaves it.
    let descriptor: OwnedFd = match passed.take_tcp_listener(index) {
        Ok(listener) => listener.ok_or(io::ErrorKind::NotFound)?.into(),
        Err(error) => match passed.take_udp_socket(index) {
            Ok(Some(socket)) => socket.into(),
            Ok(None) | Err(_) => return Err(error),
        },
    };
    BoundSocket::try_from(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn refuses_udp_sockets_and_keeps_the_others() {
        let mut activation = Activation::default();
        for name in [ADMIN, "web"] {
            let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
            activation.add(name, BoundSocket::try_from(OwnedFd::from(tcp)));
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            activation.add(name, BoundSocket::try_from(OwnedFd::from(udp)));
        }
        assert!(activation.admin.is_some());
        assert_eq!(activation.listeners.len(), 1);
        let refused = activation.refused.iter();
        let refused: Vec<_> = refused
            .map(|(name, error)| (&**name, error.kind()))
            .collect();
        let unsupported = io::ErrorKind::Unsupported;
        assert_eq!(refused, [(ADMIN, unsupported), ("web", unsupported)]);
    }
}
