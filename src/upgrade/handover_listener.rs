//! The old process's side of an upgrade: hands its sockets to a successor and stops when the successor serves.

use super::UpgradeError;
use super::channel::{BATCH, Channel, PeerProcess};
use super::message::{
    PROTOCOL, PredecessorMessage, SocketDescription, SocketRole, SuccessorMessage,
};
use super::path::secure;
use crate::unix_socket::{IfExists, SocketFile, remove_stale};
use gatefold_listen::InheritedSocket;
use socket2::Socket;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// Upper bound on the wait for a message of a successor.
const ANSWER: Duration = Duration::from_secs(10);
/// Upper bound on the time between handing over the sockets and the successor's first applied load. Nothing is reloaded
/// meanwhile.
const START: Duration = Duration::from_secs(60);
/// The delay before a retry if the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// The Unix socket to which a successor connects.
#[derive(Debug)]
pub struct HandoverListener {
    socket: Socket,
    file: SocketFile,
    path: PathBuf,
}

/// A successor's request for the listening sockets. Dropping it refuses it.
#[derive(Debug)]
pub struct SocketsRequest(oneshot::Sender<LentSockets>);

/// Sockets that were granted to a successor. Dropping this ends the upgrade for the process that granted them.
#[derive(Debug)]
pub struct LentSockets {
    sockets: Vec<InheritedSocket>,
    _ended: oneshot::Sender<()>,
}

impl SocketsRequest {
    /// Grants duplicates of the sockets. The result resolves when the successor has replaced this process or has failed.
    pub fn grant(self, sockets: Vec<InheritedSocket>) -> oneshot::Receiver<()> {
        let (ended, resolved) = oneshot::channel();
        let lent = LentSockets {
            sockets,
            _ended: ended,
        };
        // This fails only if the successor has given up. Then the result resolves at once.
        let _ = self.0.send(lent);
        resolved
    }
}

/// What a successor gets besides the listening sockets, and how the rest of the process takes part in the handover.
pub struct Handover {
    /// Receives requests for the sockets.
    pub requests: mpsc::Sender<SocketsRequest>,
    /// The address of the admin API, in the form of `--admin`.
    pub admin: String,
    /// The socket of the admin API, if it is a TCP socket.
    pub admin_socket: Option<InheritedSocket>,
    /// Called with the successor's process id when the successor accepts connections and this process must stop. Returns
    /// the reason if this process must continue.
    pub release: Box<dyn Fn(i32) -> Result<(), String> + Send + Sync>,
}

impl HandoverListener {
    /// Binds the socket. It can't be found before [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// If other users can write to its folder, or a system call fails.
    pub fn prepare(path: &Path) -> Result<Self, UpgradeError> {
        let path = secure(path)?;
        match SocketFile::prepare(&path, Channel::listen) {
            Ok((socket, file)) => Ok(HandoverListener { socket, file, path }),
            Err(error) => Err(UpgradeError::Socket { path, error }),
        }
    }

    /// Moves the socket to its path. A stale socket there is removed.
    ///
    /// # Errors
    ///
    /// If the path exists and `if_exists` doesn't allow that, or a system call fails.
    pub fn publish(&mut self, if_exists: IfExists) -> Result<(), UpgradeError> {
        let free = match if_exists {
            IfExists::Fail => remove_stale(&self.path),
            IfExists::Replace => Ok(()),
        };
        let published = free.and_then(|()| self.file.publish(if_exists));
        published.map_err(|error| UpgradeError::Socket {
            path: self.path.clone(),
            error,
        })
    }

    /// Serves successors in a new thread. Dropping the result removes the file of the socket.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn serve(self, handover: Handover) -> io::Result<SocketFile> {
        let HandoverListener { socket, file, .. } = self;
        let handover = Arc::new(handover);
        let accept = move || {
            loop {
                match Channel::accept(&socket) {
                    Ok(channel) => serve_in_thread(channel, &handover),
                    Err(error) => {
                        warn!(%error, "can't accept the connection of a successor, retrying");
                        thread::sleep(PAUSE);
                    }
                }
            }
        };
        thread::Builder::new()
            .name("upgrade".to_owned())
            .spawn(accept)?;
        Ok(file)
    }
}

/// Serves a successor in its own thread, so that a second successor is refused at once.
fn serve_in_thread(channel: Channel, handover: &Arc<Handover>) {
    let handover = handover.clone();
    let serve = move || match channel.peer() {
        Ok(peer) => handover.serve(&channel, peer, START),
        Err(error) => warn!(%error, "can't identify a successor"),
    };
    let name = "upgrade".to_owned();
    if let Err(error) = thread::Builder::new().name(name).spawn(serve) {
        warn!(%error, "can't start a thread for a successor");
    }
}

/// Why a successor doesn't replace this process.
enum HandoverFailure {
    /// The successor is refused, and gets the reason.
    Refused(String),
    /// The successor has ended, or its messages can't be parsed.
    Lost(io::Error),
}

impl From<io::Error> for HandoverFailure {
    fn from(error: io::Error) -> Self {
        HandoverFailure::Lost(error)
    }
}

impl Handover {
    /// Hands over to a successor, or sends it the reason for a refusal.
    fn serve(&self, channel: &Channel, peer: PeerProcess, start: Duration) {
        let successor = peer.process;
        match self.hand_over(channel, peer, start) {
            Ok(()) => info!(
                successor,
                "the successor accepts connections; this process finishes the requests in flight"
            ),
            Err(HandoverFailure::Refused(reason)) => {
                let refused = PredecessorMessage::Refused {
                    reason: reason.clone(),
                };
                let _ = channel.send(&refused, &[], ANSWER);
                warn!(successor, "the upgrade is refused: {reason}");
            }
            Err(HandoverFailure::Lost(error)) => {
                warn!(successor, %error, "the upgrade has failed: this process continues");
            }
        }
    }

    fn hand_over(
        &self,
        channel: &Channel,
        peer: PeerProcess,
        start: Duration,
    ) -> Result<(), HandoverFailure> {
        let version = greeting(channel, peer)?;
        // Held until the end: nothing is reloaded meanwhile.
        let lent = self.request_sockets()?;
        self.send_sockets(channel, &lent.sockets)?;
        info!(
            successor = peer.process,
            version, "a successor has the sockets"
        );
        match channel.receive(start) {
            Ok((SuccessorMessage::Ready {}, _)) => {}
            Ok((SuccessorMessage::Hello { .. }, _)) => {
                return Err(io::Error::from(io::ErrorKind::InvalidData))?;
            }
            // The successor may be about to serve, which it must not do while this process continues.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let reason = format!("it wasn't ready within {} s", start.as_secs());
                return Err(HandoverFailure::Refused(reason));
            }
            Err(error) => return Err(error.into()),
        }
        // The successor may have waited so long for an answer that it has given up.
        if !channel.is_open() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof))?;
        }
        (self.release)(peer.process).map_err(HandoverFailure::Refused)?;
        // This fails only if the successor ends at this moment. There is nothing left to do then.
        let _ = channel.send(&PredecessorMessage::Released {}, &[], ANSWER);
        Ok(())
    }

    /// Asks the reload for duplicates of the listening sockets.
    fn request_sockets(&self) -> Result<LentSockets, HandoverFailure> {
        let refused =
            || HandoverFailure::Refused("it ends, or another upgrade is in progress".to_owned());
        let (reply, lent) = oneshot::channel();
        let asked = self.requests.blocking_send(SocketsRequest(reply));
        asked.map_err(|_| refused())?;
        lent.blocking_recv().map_err(|_| refused())
    }

    fn send_sockets(&self, channel: &Channel, listeners: &[InheritedSocket]) -> io::Result<()> {
        let admin = self
            .admin_socket
            .iter()
            .map(|socket| (SocketRole::Admin, socket));
        let listeners = listeners
            .iter()
            .map(|socket| (SocketRole::Listener, socket));
        let described = admin.chain(listeners).map(|(role, socket)| {
            let description = SocketDescription {
                role,
                transport: socket.socket.transport().into(),
                activated: socket.activated.clone(),
            };
            (description, socket.socket.as_fd())
        });
        let mut left = described.peekable();
        loop {
            let (sockets, descriptors): (Vec<_>, Vec<BorrowedFd<'_>>) =
                left.by_ref().take(BATCH).unzip();
            let more = left.peek().is_some();
            let reply = PredecessorMessage::Sockets {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                admin: self.admin.clone(),
                sockets,
                more,
            };
            channel.send(&reply, &descriptors, ANSWER)?;
            if !more {
                return Ok(());
            }
        }
    }
}

/// Checks that a successor may get the sockets and speaks this protocol. Returns its version.
fn greeting(channel: &Channel, peer: PeerProcess) -> Result<String, HandoverFailure> {
    if peer.user != rustix::process::geteuid().as_raw() {
        let reason = format!("user {} isn't allowed to get the sockets", peer.user);
        return Err(HandoverFailure::Refused(reason));
    }
    let (SuccessorMessage::Hello { protocol, version }, _) = channel.receive(ANSWER)? else {
        return Err(HandoverFailure::Refused(
            "the first message must be a greeting".to_owned(),
        ));
    };
    if protocol != PROTOCOL {
        return Err(HandoverFailure::Refused(format!(
            "gatefold {} can't hand over to {version} (protocol {PROTOCOL}, not {protocol}): stop it first",
            env!("CARGO_PKG_VERSION")
        )));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::predecessor::{Predecessor, Release};

    /// Serves one successor in a new thread.
    fn serve(
        channel: Channel,
        start: Duration,
        release: impl Fn(i32) -> Result<(), String> + Send + Sync + 'static,
    ) -> thread::JoinHandle<()> {
        let (requests, mut received) = mpsc::channel::<SocketsRequest>(1);
        thread::spawn(move || {
            while let Some(request) = received.blocking_recv() {
                drop(request.grant(Vec::new()));
            }
        });
        let handover = Handover {
            requests,
            admin: "127.0.0.1:0".to_owned(),
            admin_socket: None,
            release: Box::new(release),
        };
        thread::spawn(move || {
            let peer = channel.peer().expect("a peer");
            handover.serve(&channel, peer, start);
        })
    }

    #[test]
    fn refuses_a_successor_that_takes_too_long() {
        let (one, other) = Channel::pair().expect("a pair");
        let released = |_| panic!("the old process must continue");
        let host = serve(one, Duration::from_millis(10), released);
        let predecessor = Predecessor::greet(other).ok().expect("the sockets");
        host.join().expect("the old process continues");
        let release = predecessor.release();
        assert!(
            matches!(&release, Release::Refused(reason) if reason.contains("wasn't ready")),
            "{release:?}"
        );
    }

    #[test]
    fn refuses_a_successor_that_cannot_become_the_main_process() {
        let (one, other) = Channel::pair().expect("a pair");
        let refuse = |_| Err("systemd doesn't accept it".to_owned());
        let host = serve(one, Duration::from_secs(20), refuse);
        let predecessor = Predecessor::greet(other).ok().expect("the sockets");
        let reason = "systemd doesn't accept it".to_owned();
        assert_eq!(predecessor.release(), Release::Refused(reason));
        host.join().expect("no panic");
    }
}
