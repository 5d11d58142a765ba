use crate::admin::AdminAddress;
use anyhow::{Context as _, anyhow};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

/// More than any answer of a daemon, so that what isn't one can't fill the memory.
const LONGEST: u64 = 1 << 30;

/// What an admin API answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// HTTP's status code.
    pub(super) status: u16,
    /// What follows the headers.
    pub(super) body: Vec<u8>,
}

/// One `GET` of a daemon's admin API, which may take as long as `deadline` altogether.
pub(super) fn ask(
    admin: &AdminAddress,
    path: &str,
    accept: &str,
    deadline: Duration,
) -> anyhow::Result<Answer> {
    // HTTP/1.0 has the daemon close the connection at the answer's end, and send it in one piece.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    let answer = exchange(admin, &request, deadline).with_context(|| {
        format!("no daemon answers at {admin}: is `gatefold run` running there? (--admin)")
    })?;
    read(&answer).ok_or_else(|| anyhow!("what answers at {admin} doesn't speak HTTP"))
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
            // What a time-out of a blocking socket is called.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
}

fn read(answer: &[u8]) -> Option<Answer> {
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
    Some(Answer {
        status,
        body: answer.get(end + END.len()..)?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body_and_anything_else_is_none() {
        let good = read(b"HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\nwait");
        let wanted = Answer {
            status: 503,
            body: b"wait".to_vec(),
        };
        assert_eq!(good, Some(wanted));
        for bad in ["", "SSH-2.0-OpenSSH", "SSH-2.0\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            assert_eq!(read(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn who_never_answers_costs_no_more_than_the_deadline() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let admin = AdminAddress::Tcp(silent.local_addr().expect("its address"));
        let failed = ask(&admin, "/readyz", "*/*", Duration::from_millis(50));
        let error = failed.expect_err("nobody answers");
        assert!(format!("{error:#}").contains("timed out"), "{error:#}");
    }
}
