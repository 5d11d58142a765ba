use super::Error;
use super::channel::{BATCH, Channel, Peer};
use super::message::{Description, PROTOCOL, Reply, Request, Role};
use super::path::secure;
use crate::unix_socket::{Place, SocketFile, remove_stale};
use gatefold_listen::Inherited;
use socket2::Socket;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

/// How long a successor may take to say something.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a successor may take from the sockets to the first load in force. Nothing is reloaded meanwhile.
const START: Duration = Duration::from_secs(60);
/// How long to wait when the system has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// The socket at which a successor knocks.
#[derive(Debug)]
pub struct Doorway {
    socket: Socket,
    file: SocketFile,
    path: PathBuf,
}

/// A successor's wish for the listening sockets; dropped, it is refused.
#[derive(Debug)]
pub struct Loan(oneshot::Sender<Lease>);

/// Granted sockets. The lender goes on as soon as it is dropped.
#[derive(Debug)]
pub struct Lease {
    sockets: Vec<Inherited>,
    _over: oneshot::Sender<()>,
}

impl Loan {
    /// Lends duplicates of the sockets. What is given resolves when the successor has taken over, or won't.
    pub fn grant(self, sockets: Vec<Inherited>) -> oneshot::Receiver<()> {
        let (over, resolved) = oneshot::channel();
        let lease = Lease {
            sockets,
            _over: over,
        };
        // Nobody waits for it only when the successor has given up; then it is over at once.
        let _ = self.0.send(lease);
        resolved
    }
}

/// What a successor needs besides the listening sockets, and how the rest of the process learns of it.
pub struct Host {
    /// Where wishes for the sockets go.
    pub loans: mpsc::Sender<Loan>,
    /// Where the admin API is, as `--admin` takes it.
    pub admin: String,
    /// Its socket, if it is one of TCP.
    pub admin_socket: Option<Inherited>,
    /// Called with the successor's process id when it accepts connections and this process shall no longer. Gives
    /// why it must go on, if it must.
    pub release: Box<dyn Fn(i32) -> Result<(), String> + Send + Sync>,
}

impl Doorway {
    /// Binds a socket that nobody finds before it is [placed](Self::place).
    ///
    /// # Errors
    ///
    /// A folder that isn't safe, or what the system says.
    pub fn prepare(path: &Path) -> Result<Self, Error> {
        let path = secure(path)?;
        match SocketFile::prepare(&path, Channel::listen) {
            Ok((socket, file)) => Ok(Doorway { socket, file, path }),
            Err(error) => Err(Error::Socket { path, error }),
        }
    }

    /// Puts it in place: over that of a predecessor, or where no process answers.
    ///
    /// # Errors
    ///
    /// When another process was faster, when the path is a file that is no socket, or what the system says.
    pub fn place(&mut self, place: Place) -> Result<(), Error> {
        let free = match place {
            Place::Free => remove_stale(&self.path),
            Place::Over => Ok(()),
        };
        let placed = free.and_then(|()| self.file.place(place));
        placed.map_err(|error| Error::Socket {
            path: self.path.clone(),
            error,
        })
    }

    /// Lets successors in, in a thread of its own. The file is removed when what is given is dropped.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn open(self, host: Host) -> io::Result<SocketFile> {
        let Doorway { socket, file, .. } = self;
        let host = Arc::new(host);
        let accept = move || {
            loop {
                match Channel::accept(&socket) {
                    Ok(channel) => attend_beside(channel, &host),
                    Err(error) => {
                        warn!(%error, "can't let a successor in, trying again");
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

/// In a thread of its own too, so that a second successor learns at once that there is one already.
fn attend_beside(channel: Channel, host: &Arc<Host>) {
    let host = host.clone();
    let attend = move || match channel.peer() {
        Ok(peer) => host.see_to(&channel, peer, START),
        Err(error) => warn!(%error, "can't let a successor in"),
    };
    let name = "upgrade".to_owned();
    if let Err(error) = thread::Builder::new().name(name).spawn(attend) {
        warn!(%error, "can't let a successor in");
    }
}

/// Why a successor doesn't take over.
enum Failure {
    /// It is told so.
    Refused(String),
    /// It has gone, or says what can't be understood.
    Lost(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Lost(error)
    }
}

impl Host {
    /// Lets a successor in, or tells it why not.
    fn see_to(&self, channel: &Channel, peer: Peer, start: Duration) {
        let successor = peer.process;
        match self.attend(channel, peer, start) {
            Ok(()) => info!(
                successor,
                "the successor has taken over; requests that are under way may finish"
            ),
            Err(Failure::Refused(reason)) => {
                let refused = Reply::Refused {
                    reason: reason.clone(),
                };
                let _ = channel.send(&refused, &[], ANSWER);
                warn!(successor, "no upgrade: {reason}");
            }
            Err(Failure::Lost(error)) => {
                warn!(successor, %error, "the upgrade has failed: this process goes on");
            }
        }
    }

    fn attend(&self, channel: &Channel, peer: Peer, start: Duration) -> Result<(), Failure> {
        if peer.user != rustix::process::geteuid().as_raw() {
            let reason = format!("user {} may not take the sockets over", peer.user);
            return Err(Failure::Refused(reason));
        }
        let (Request::Hello { protocol, version }, _) = channel.receive(ANSWER)? else {
            return Err(Failure::Refused("a greeting comes first".to_owned()));
        };
        if protocol != PROTOCOL {
            return Err(Failure::Refused(format!(
                "gatefold {} can't be replaced by {version} without a gap (protocol {PROTOCOL}, not \
                 {protocol}): end it first",
                env!("CARGO_PKG_VERSION")
            )));
        }
        let lease = self.borrow()?;
        self.send_sockets(channel, &lease.sockets)?;
        info!(successor = peer.process, version, "a successor is there");
        match channel.receive(start) {
            Ok((Request::Ready {}, _)) => {}
            Ok((Request::Hello { .. }, _)) => {
                return Err(io::Error::from(io::ErrorKind::InvalidData))?;
            }
            // It may be about to serve, and must not beside this process, which goes on.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let reason = format!("it wasn't ready within {} s", start.as_secs());
                return Err(Failure::Refused(reason));
            }
            Err(error) => return Err(error.into()),
        }
        // It may have waited for an answer for so long that it has given up.
        if !channel.is_open() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof))?;
        }
        (self.release)(peer.process).map_err(Failure::Refused)?;
        // A successor that has gone at this very moment is beyond help.
        let _ = channel.send(&Reply::Released {}, &[], ANSWER);
        Ok(())
    }

    fn borrow(&self) -> Result<Lease, Failure> {
        let refused = || Failure::Refused("it ends, or another upgrade is under way".to_owned());
        let (reply, lease) = oneshot::channel();
        let asked = self.loans.blocking_send(Loan(reply));
        asked.map_err(|_| refused())?;
        lease.blocking_recv().map_err(|_| refused())
    }

    fn send_sockets(&self, channel: &Channel, listeners: &[Inherited]) -> io::Result<()> {
        let admin = self.admin_socket.iter().map(|socket| (Role::Admin, socket));
        let listeners = listeners.iter().map(|socket| (Role::Listener, socket));
        let described = admin.chain(listeners).map(|(role, socket)| {
            let activated = socket.activated.clone();
            (Description { role, activated }, socket.listener.as_fd())
        });
        let mut left = described.peekable();
        loop {
            let (sockets, descriptors): (Vec<_>, Vec<BorrowedFd<'_>>) =
                left.by_ref().take(BATCH).unzip();
            let more = left.peek().is_some();
            let reply = Reply::Sockets {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::predecessor::{Predecessor, Release};

    /// Does what a host does with one successor, in a thread of its own.
    fn host(
        channel: Channel,
        start: Duration,
        release: impl Fn(i32) -> Result<(), String> + Send + Sync + 'static,
    ) -> thread::JoinHandle<()> {
        let (loans, mut wanted) = mpsc::channel::<Loan>(1);
        thread::spawn(move || {
            while let Some(loan) = wanted.blocking_recv() {
                drop(loan.grant(Vec::new()));
            }
        });
        let host = Host {
            loans,
            admin: "127.0.0.1:0".to_owned(),
            admin_socket: None,
            release: Box::new(release),
        };
        thread::spawn(move || {
            let peer = channel.peer().expect("a peer");
            host.see_to(&channel, peer, start);
        })
    }

    #[test]
    fn a_successor_that_takes_too_long_learns_that_the_other_one_goes_on() {
        let (one, other) = Channel::pair().expect("a pair");
        let released = |_| panic!("it goes on");
        let host = host(one, Duration::from_millis(10), released);
        let predecessor = Predecessor::greet(other).ok().expect("let in");
        host.join().expect("it isn't released");
        let release = predecessor.release();
        assert!(
            matches!(&release, Release::Refused(reason) if reason.contains("wasn't ready")),
            "{release:?}"
        );
    }

    #[test]
    fn a_successor_is_refused_when_it_can_not_be_made_the_main_process() {
        let (one, other) = Channel::pair().expect("a pair");
        let refuse = |_| Err("systemd can't be told".to_owned());
        let host = host(one, Duration::from_secs(20), refuse);
        let predecessor = Predecessor::greet(other).ok().expect("let in");
        let reason = "systemd can't be told".to_owned();
        assert_eq!(predecessor.release(), Release::Refused(reason));
        host.join().expect("no panic");
    }
}
