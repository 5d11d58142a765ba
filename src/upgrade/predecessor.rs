//! The new process's side of an upgrade: gets the sockets of the running process and replaces it.

use super::UpgradeError;
use super::channel::Channel;
use super::message::{
    PROTOCOL, PredecessorMessage, SocketDescription, SocketRole, SocketTransport, SuccessorMessage,
};
use super::path::secure;
use gatefold_listen::{BoundSocket, InheritedSocket};
use std::io;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Upper bound on the wait for an answer of the old process, which may be in the middle of a reload.
const ANSWER: Duration = Duration::from_secs(30);

/// The running process, and the sockets that it hands over.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    process: i32,
    version: String,
    admin: String,
    /// Its listening sockets.
    pub sockets: Vec<InheritedSocket>,
    /// The socket of its admin API, if it is a TCP socket.
    pub admin_socket: Option<InheritedSocket>,
}

/// The outcome for the old process.
#[derive(Debug, PartialEq, Eq)]
pub enum Release {
    /// It no longer accepts connections.
    Released,
    /// It has ended.
    Gone,
    /// It continues to serve, or isn't known to have ended, for this reason.
    Refused(String),
}

/// Connects to the process that listens at `path` and asks it for its sockets. Returns `None` if no process listens there.
///
/// # Errors
///
/// If other users can write to the folder, a system call fails, or the other process refuses.
pub fn find(path: &Path) -> Result<Option<Predecessor>, UpgradeError> {
    let path = secure(path)?;
    match Channel::connect(&path, ANSWER) {
        Ok(channel) => Predecessor::greet(channel)
            .map(Some)
            .map_err(|problem| problem.at(&path)),
        // No process, or the file of a process that was killed.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(GreetingFailure::System(error).at(&path)),
    }
}

/// Why a greeting fails, without the path.
pub(super) enum GreetingFailure {
    System(io::Error),
    Refused { process: i32, reason: String },
}

impl From<io::Error> for GreetingFailure {
    fn from(error: io::Error) -> Self {
        GreetingFailure::System(error)
    }
}

impl GreetingFailure {
    fn at(self, path: &Path) -> UpgradeError {
        match self {
            GreetingFailure::System(error) => UpgradeError::Socket {
                path: path.to_owned(),
                error,
            },
            GreetingFailure::Refused { process, reason } => {
                UpgradeError::Refused { process, reason }
            }
        }
    }
}

/// Explains why no answer was received.
fn explained(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        io::ErrorKind::TimedOut => "it doesn't answer".to_owned(),
        _ => error.to_string(),
    }
}

impl Predecessor {
    /// Asks for the sockets.
    pub(super) fn greet(channel: Channel) -> Result<Self, GreetingFailure> {
        let peer = channel.peer()?;
        let refused = |reason: String| GreetingFailure::Refused {
            process: peer.process,
            reason,
        };
        if peer.user != rustix::process::geteuid().as_raw() {
            return Err(refused(format!("it belongs to user {}", peer.user)));
        }
        let hello = SuccessorMessage::Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        channel.send(&hello, &[], ANSWER)?;
        let mut found = Predecessor {
            channel,
            process: peer.process,
            version: String::new(),
            admin: String::new(),
            sockets: Vec::new(),
            admin_socket: None,
        };
        loop {
            let received = found.channel.receive(ANSWER);
            let (reply, descriptors) = received.map_err(|error| refused(explained(&error)))?;
            match reply {
                PredecessorMessage::Refused { reason } => return Err(refused(reason)),
                PredecessorMessage::Released {} => return Err(refused("it ends".to_owned())),
                PredecessorMessage::Sockets {
                    version,
                    admin,
                    sockets,
                    more,
                } => {
                    (found.version, found.admin) = (version, admin);
                    found.receive(sockets, descriptors).map_err(refused)?;
                    if !more {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Adds the sockets of one message. A socket that isn't what its description says is a reason not to replace the process:
    /// it would stop serving that socket.
    fn receive(
        &mut self,
        sockets: Vec<SocketDescription>,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), String> {
        let (described, received) = (sockets.len(), descriptors.len());
        if described != received {
            return Err(format!("it sent {received} sockets instead of {described}"));
        }
        for (description, descriptor) in sockets.into_iter().zip(descriptors) {
            let socket = BoundSocket::try_from(descriptor)
                .map_err(|error| format!("a socket that it sent can't be used: {error}"))?;
            let inherited = match (description.transport, &socket) {
                (SocketTransport::Tcp, BoundSocket::Tcp(_)) => InheritedSocket {
                    socket,
                    activated: description.activated,
                },
                (SocketTransport::Udp, BoundSocket::Udp(_)) => {
                    return Err("it serves a UDP socket, which this version can't".to_owned());
                }
                (SocketTransport::Tcp, BoundSocket::Udp(_))
                | (SocketTransport::Udp, BoundSocket::Tcp(_)) => {
                    return Err("it sent a socket of another transport than it says".to_owned());
                }
            };
            match description.role {
                SocketRole::Admin => self.admin_socket = Some(inherited),
                SocketRole::Listener => self.sockets.push(inherited),
            }
        }
        Ok(())
    }

    /// Its process id.
    pub fn process(&self) -> i32 {
        self.process
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The address of its admin API, in the form of `--admin`.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Reports that this process accepts connections, and waits until the old process no longer does. Blocks.
    pub fn release(&self) -> Release {
        // This fails if the old process has refused and closed its end. Its refusal can still be read.
        let _ = self.channel.send(&SuccessorMessage::Ready {}, &[], ANSWER);
        let answer = self
            .channel
            .receive::<PredecessorMessage>(ANSWER)
            .or_else(|error| {
                // The old process closed its end with unread data in it. The kernel reports that once, before its last message.
                match error.kind() {
                    io::ErrorKind::ConnectionReset => self.channel.receive(ANSWER),
                    _ => Err(error),
                }
            });
        match answer {
            Ok((PredecessorMessage::Refused { reason }, _)) => Release::Refused(reason),
            Ok((PredecessorMessage::Released {} | PredecessorMessage::Sockets { .. }, _)) => {
                Release::Released
            }
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Release::Gone,
                _ => Release::Refused(explained(&error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predecessor() -> (Predecessor, Channel) {
        let (channel, other) = Channel::pair().expect("a pair");
        let predecessor = Predecessor {
            channel,
            process: 1,
            version: String::new(),
            admin: String::new(),
            sockets: Vec::new(),
            admin_socket: None,
        };
        (predecessor, other)
    }

    /// The outcome if the old process refuses and ends.
    fn refused(predecessor: Predecessor, other: Channel) -> Release {
        let reason = "too late".to_owned();
        let refused = PredecessorMessage::Refused { reason };
        other.send(&refused, &[], ANSWER).expect("sent");
        drop(other);
        predecessor.release()
    }

    #[test]
    fn reads_a_refusal_whatever_the_predecessor_left_unread() {
        let expected = Release::Refused("too late".to_owned());
        let (predecessor, other) = predecessor();
        assert_eq!(refused(predecessor, other), expected);
        let (predecessor, other) = self::predecessor();
        let unread = predecessor
            .channel
            .send(&SuccessorMessage::Ready {}, &[], ANSWER);
        unread.expect("sent");
        assert_eq!(refused(predecessor, other), expected);
    }

    /// Sends one socket with its description, as another version might.
    fn receive(transport: SocketTransport, socket: impl Into<OwnedFd>) -> Result<(), String> {
        let (mut predecessor, _other) = predecessor();
        let description = SocketDescription {
            role: SocketRole::Listener,
            transport,
            activated: None,
        };
        predecessor.receive(vec![description], vec![socket.into()])
    }

    #[test]
    fn refuses_sockets_that_this_version_cannot_serve() {
        let tcp = || std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let udp = || std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        receive(SocketTransport::Tcp, tcp()).expect("a TCP socket");
        let refusal = receive(SocketTransport::Udp, udp()).expect_err("UDP isn't served");
        assert!(refusal.contains("UDP"), "{refusal}");
        for refused in [
            receive(SocketTransport::Tcp, udp()),
            receive(SocketTransport::Udp, tcp()),
        ] {
            let refusal = refused.expect_err("it isn't what the description says");
            assert!(refusal.contains("transport"), "{refusal}");
        }
    }

    #[test]
    fn ended_predecessor_is_gone_whatever_it_left_unread() {
        let (predecessor, other) = predecessor();
        drop(other);
        assert_eq!(predecessor.release(), Release::Gone);
        let (predecessor, other) = self::predecessor();
        let unread = predecessor
            .channel
            .send(&SuccessorMessage::Ready {}, &[], ANSWER);
        unread.expect("sent");
        drop(other);
        assert_eq!(predecessor.release(), Release::Gone);
    }
}
