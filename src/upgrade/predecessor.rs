use super::Error;
use super::channel::Channel;
use super::message::{Description, PROTOCOL, Reply, Request, Role};
use super::path::secure;
use gatefold_listen::Inherited;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// How long the old process may take for an answer. It may be in the middle of a reload.
const ANSWER: Duration = Duration::from_secs(30);

/// A process that runs, and what it gives away.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    process: i32,
    version: String,
    admin: String,
    /// Its listening sockets.
    pub sockets: Vec<Inherited>,
    /// That of its admin API, if it is one of TCP.
    pub admin_socket: Option<Inherited>,
}

/// What became of the old process.
#[derive(Debug, PartialEq, Eq)]
pub enum Release {
    /// It accepts no connections any more.
    Released,
    /// It has ended.
    Gone,
    /// It goes on and wants no successor now, or isn't known to have ended; why.
    Refused(String),
}

/// Looks for a process that listens at `path`, and asks it for its sockets. Nothing when none does.
///
/// # Errors
///
/// A folder that isn't safe, what the system says, and whatever the other process has against it.
pub fn find(path: &Path) -> Result<Option<Predecessor>, Error> {
    let path = secure(path)?;
    match Channel::connect(&path, ANSWER) {
        Ok(channel) => Predecessor::greet(channel)
            .map(Some)
            .map_err(|problem| problem.at(&path)),
        // Nobody, or a file that a process left that was killed.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Problem::System(error).at(&path)),
    }
}

/// What goes wrong, before it is known where.
pub(super) enum Problem {
    System(io::Error),
    Refused { process: i32, reason: String },
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::System(error)
    }
}

impl Problem {
    fn at(self, path: &Path) -> Error {
        match self {
            Problem::System(error) => Error::Socket {
                path: path.to_owned(),
                error,
            },
            Problem::Refused { process, reason } => Error::Refused { process, reason },
        }
    }
}

impl Predecessor {
    pub(super) fn greet(channel: Channel) -> Result<Self, Problem> {
        let peer = channel.peer()?;
        let refused = |reason: String| Problem::Refused {
            process: peer.process,
            reason,
        };
        if peer.user != rustix::process::geteuid().as_raw() {
            return Err(refused(format!("it is of user {}", peer.user)));
        }
        let hello = Request::Hello {
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
            let received = found.channel.receive::<Reply>(ANSWER);
            let (reply, descriptors) = received.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => refused("it closed the connection".to_owned()),
                io::ErrorKind::TimedOut => refused("it doesn't answer".to_owned()),
                _ => refused(error.to_string()),
            })?;
            match reply {
                Reply::Refused { reason } => return Err(refused(reason)),
                Reply::Released {} => return Err(refused("it ends".to_owned())),
                Reply::Sockets {
                    version,
                    admin,
                    sockets,
                    more,
                } => {
                    (found.version, found.admin) = (version, admin);
                    found.take(sockets, descriptors).map_err(refused)?;
                    if !more {
                        return Ok(found);
                    }
                }
            }
        }
    }

    fn take(&mut self, sockets: Vec<Description>, descriptors: Vec<OwnedFd>) -> Result<(), String> {
        let (described, came) = (sockets.len(), descriptors.len());
        if described != came {
            return Err(format!("it sent {came} sockets in place of {described}"));
        }
        for (description, descriptor) in sockets.into_iter().zip(descriptors) {
            let inherited = Inherited {
                listener: TcpListener::from(descriptor),
                activated: description.activated,
            };
            match description.role {
                Role::Admin => self.admin_socket = Some(inherited),
                Role::Listener => self.sockets.push(inherited),
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

    /// Where its admin API is, as `--admin` takes it.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Tells it that this process accepts connections, and waits until it doesn't any more. Blocks.
    pub fn release(&self) -> Release {
        // It may have said no by now and closed its end: what it said is there to be read all the same.
        let _ = self.channel.send(&Request::Ready {}, &[], ANSWER);
        let answer = self.channel.receive::<Reply>(ANSWER).or_else(|error| {
            // Its end was closed with something unread in it: that is told once, before what it has said.
            match error.kind() {
                io::ErrorKind::ConnectionReset => self.channel.receive(ANSWER),
                _ => Err(error),
            }
        });
        match answer {
            Ok((Reply::Refused { reason }, _)) => Release::Refused(reason),
            Ok((Reply::Released {} | Reply::Sockets { .. }, _)) => Release::Released,
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Release::Gone,
                io::ErrorKind::TimedOut => Release::Refused("it doesn't answer".to_owned()),
                _ => Release::Refused(error.to_string()),
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

    /// What comes of it when it says no and ends.
    fn refused(predecessor: Predecessor, other: Channel) -> Release {
        let reason = "too late".to_owned();
        let refused = Reply::Refused { reason };
        other.send(&refused, &[], ANSWER).expect("sent");
        drop(other);
        predecessor.release()
    }

    #[test]
    fn a_predecessor_that_said_no_is_heard_whatever_it_left_unread() {
        let told = Release::Refused("too late".to_owned());
        let (predecessor, other) = predecessor();
        assert_eq!(refused(predecessor, other), told);
        let (predecessor, other) = self::predecessor();
        let unread = predecessor.channel.send(&Request::Ready {}, &[], ANSWER);
        unread.expect("sent");
        assert_eq!(refused(predecessor, other), told);
    }

    #[test]
    fn a_predecessor_that_has_ended_is_gone_whatever_it_left_unread() {
        let (predecessor, other) = predecessor();
        drop(other);
        assert_eq!(predecessor.release(), Release::Gone);
        let (predecessor, other) = self::predecessor();
        let unread = predecessor.channel.send(&Request::Ready {}, &[], ANSWER);
        unread.expect("sent");
        drop(other);
        assert_eq!(predecessor.release(), Release::Gone);
    }
}
