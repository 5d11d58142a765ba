//! A connection between two processes that carries messages and file descriptors.

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, sendmsg, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Maximum number of file descriptors in one message. The kernel allows 253 (SCM_MAX_FD in net/scm.h); with fewer, the
/// text that describes them stays below [`MAX_MESSAGE`] whatever their names are.
pub(super) const BATCH: usize = 128;

/// Maximum length of a message in bytes.
const MAX_MESSAGE: usize = 64 * 1024;

/// Maximum number of processes that wait to be accepted.
const BACKLOG: i32 = 8;

/// A connection between two processes of one host. A packet is one message in JSON with the file descriptors that
/// belong to it: SOCK_SEQPACKET keeps them together (unix(7)).
#[derive(Debug)]
pub(super) struct Channel(Socket);

/// The process at the other end, as the kernel reports it (SO_PEERCRED).
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerProcess {
    pub(super) process: i32,
    pub(super) user: u32,
}

impl Channel {
    pub(super) fn connect(path: &Path, deadline: Duration) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.connect_timeout(&SockAddr::unix(path)?, deadline)?;
        Ok(Channel(socket))
    }

    pub(super) fn listen(path: &Path) -> io::Result<Socket> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    }

    pub(super) fn accept(socket: &Socket) -> io::Result<Self> {
        Ok(Channel(socket.accept()?.0))
    }

    #[cfg(test)]
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        Ok((Channel(one), Channel(other)))
    }

    pub(super) fn peer(&self) -> io::Result<PeerProcess> {
        let found = sockopt::socket_peercred(&self.0)?;
        Ok(PeerProcess {
            process: found.pid.as_raw_pid(),
            user: found.uid.as_raw(),
        })
    }

    /// Sends a message.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
        deadline: Duration,
    ) -> io::Result<()> {
        self.0.set_write_timeout(Some(deadline))?;
        let text = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many sockets in one message"));
        }
        let (text, flags) = ([IoSlice::new(&text)], SendFlags::NOSIGNAL);
        retry_on_intr(|| sendmsg(&self.0, &text, &mut control, flags))?;
        Ok(())
    }

    /// Whether the other end is still open.
    pub(super) fn is_open(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = retry_on_intr(|| recv(&self.0, &mut [0; 1][..], flags));
        match peeked {
            Ok((_, length)) => length > 0,
            Err(error) => error == Errno::AGAIN,
        }
    }

    /// Waits for a message.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the other end is closed, [`io::ErrorKind::TimedOut`] if no message arrives in
    /// time, [`io::ErrorKind::InvalidData`] if the message can't be parsed.
    pub(super) fn receive<M: DeserializeOwned>(
        &self,
        deadline: Duration,
    ) -> io::Result<(M, Vec<OwnedFd>)> {
        self.0.set_read_timeout(Some(deadline))?;
        let mut text = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut text)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = retry_on_intr(|| recvmsg(&self.0, &mut into, &mut control, flags));
        let received = received.map_err(|error| match error {
            Errno::AGAIN => io::ErrorKind::TimedOut.into(),
            other => io::Error::from(other),
        })?;
        let descriptors: Vec<OwnedFd> = control.drain().flat_map(rights).collect();
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            // The kernel drops descriptors beyond the process's limit (recvmsg(2), MSG_CTRUNC).
            return Err(io::Error::other(
                "this process can't open so many files: raise its limit (`ulimit -n`)",
            ));
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let text = text.get(..received.bytes).unwrap_or_default();
        Ok((serde_json::from_slice(text)?, descriptors))
    }
}

fn rights(message: RecvAncillaryMessage<'_>) -> Vec<OwnedFd> {
    match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsFd as _;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn pair() -> (Channel, Channel) {
        Channel::pair().expect("a pair")
    }

    #[test]
    fn full_batch_of_sockets_arrives_in_order() {
        let (one, other) = pair();
        let sockets: Vec<TcpListener> = (0..BATCH)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let borrowed: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
        one.send(&"here", &borrowed, DEADLINE).expect("sent");
        let (text, descriptors) = other.receive::<String>(DEADLINE).expect("received");
        assert_eq!(text, "here");
        let ports = |sockets: &[TcpListener]| -> Vec<u16> {
            let address = |socket: &TcpListener| socket.local_addr().expect("an address");
            sockets
                .iter()
                .map(|socket| address(socket).port())
                .collect()
        };
        let arrived: Vec<TcpListener> = descriptors.into_iter().map(TcpListener::from).collect();
        assert_eq!(ports(&arrived), ports(&sockets));
    }

    #[test]
    fn reports_the_process_and_user_of_the_other_end() {
        let (one, _other) = pair();
        let peer = one.peer().expect("credentials");
        assert_eq!(
            peer.process,
            i32::try_from(std::process::id()).expect("an id")
        );
        assert_eq!(peer.user, rustix::process::geteuid().as_raw());
    }

    #[test]
    fn distinguishes_silence_a_closed_end_and_malformed_messages() {
        let (one, other) = pair();
        let failure =
            |result: io::Result<(String, Vec<OwnedFd>)>| result.expect_err("fails").kind();
        let short = Duration::from_millis(10);
        assert_eq!(failure(other.receive(short)), io::ErrorKind::TimedOut);
        one.send(&7, &[], DEADLINE).expect("sent");
        assert_eq!(failure(other.receive(DEADLINE)), io::ErrorKind::InvalidData);
        assert!(other.is_open());
        drop(one);
        assert!(!other.is_open());
        assert_eq!(
            failure(other.receive(DEADLINE)),
            io::ErrorKind::UnexpectedEof
        );
    }
}
