//! Requests to the admin API of a running daemon.

use crate::admin::AdminAddress;
use anyhow::{Context as _, anyhow};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

/// Maximum length of an answer in bytes. A daemon's answers are shorter; another server must not fill the memory.
const LONGEST: u64 = 1 << 30;

/// The flag for the admin API of a running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct DaemonArgs {
    /// The address of the daemon's admin API.
    #[arg(
        long,
        value_name = "ADDR|unix:PATH",
        env = "GATEFOLD_ADMIN",
        default_value = "127.0.0.1:4283"
    )]
    admin: AdminAddress,
}

impl DaemonArgs {
    /// Sends one `GET` to the daemon's admin API. The whole exchange may take as long as `deadline`.
    pub(super) fn get(
        &self,
        path: &str,
        accept: &str,
        deadline: Duration,
    ) -> anyhow::Result<AdminAnswer> {
        get(&self.admin, path, accept, deadline)
    }
}

/// An answer of the admin API.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AdminAnswer {
    /// The HTTP status code.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Vec<u8>,
}

fn get(
    admin: &AdminAddress,
    path: &str,
    accept: &str,
    deadline: Duration,
) -> anyhow::Result<AdminAnswer> {
    // With HTTP/1.0 the daemon closes the connection at the end of the answer, and does not chunk it.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    let answer = exchange(admin, &request, deadline).with_context(|| {
        format!("no daemon answers at {admin}: is `gatefold run` running there? (--admin)")
    })?;
    read(&answer).ok_or_else(|| anyhow!("the server at {admin} does not speak HTTP"))
}

fn exchange(admin: &AdminAddress, request: &str, deadline: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + deadline;
    let (domain, address) = match admin {
        AdminAddress::Tcp(tcp) => (Domain::for_address(*tcp), SockAddr::from(*tcp)),
        AdminAddress::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
    };
    let mut socket = Socket::new(domain, Type::STREAM, None)?;
    socket.connect_timeout(&address, deadline)?;
    socket.set_write_timeout(Some(deadline))?;
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 64 * 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || answer.len() as u64 > LONGEST {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The error of a blocking socket whose timeout is over.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
}

fn read(answer: &[u8]) -> Option<AdminAnswer> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END)?;
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let status = std::str::from_utf8(line)
        .ok()?
        .strip_prefix("HTTP/")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    Some(AdminAnswer {
        status,
        body: answer.get(end + END.len()..)?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_and_body_and_refuses_anything_else() {
        let good = read(b"HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\nwait");
        let wanted = AdminAnswer {
            status: 503,
            body: b"wait".to_vec(),
        };
        assert_eq!(good, Some(wanted));
        for bad in ["", "SSH-2.0-OpenSSH", "SSH-2.0\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            assert_eq!(read(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_silent_server_takes_no_longer_than_the_deadline() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let admin = AdminAddress::Tcp(silent.local_addr().expect("its address"));
        let failed = get(&admin, "/readyz", "*/*", Duration::from_millis(50));
        let error = failed.expect_err("there is no answer");
        assert!(format!("{error:#}").contains("timed out"), "{error:#}");
    }
}
