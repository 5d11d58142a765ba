//! The backends of the training, in threads of this process.

use crate::backend;
use crate::support::backend::{ReceivedRequest, TestBackend, Wire};
use crate::support::grpc::GrpcBackend;
use crate::support::load;
use crate::support::network::{free_port, own_address};
use crate::support::tls::{Authority, server_config};
use crate::support::websocket;
use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;

/// The header field of a request that says how the scripted backend answers: a length, `chunked LENGTH`, or `status STATUS`.
pub const SCRIPT: &str = "x-script";
/// The name in the certificate of the backend with TLS.
pub const TLS_NAME: &str = "secure.internal";

/// The addresses of the backends. All of them live until the process ends.
pub struct TrainingBackends {
    /// Answers requests without a body with 1 KiB.
    pub plain: SocketAddr,
    /// The same over TLS.
    pub secure: SocketAddr,
    /// Reads bodies of any size and answers as the request says.
    pub scripted: SocketAddr,
    /// gRPC over HTTP/2 without TLS.
    pub grpc: SocketAddr,
    /// Echoes messages of WebSockets.
    pub chat: SocketAddr,
    /// Refuses connections.
    pub refused: SocketAddr,
    /// Accepts connections and never answers.
    pub silent: SocketAddr,
}

impl TrainingBackends {
    /// # Errors
    /// If one can't be started.
    pub fn start(authority: &Authority) -> anyhow::Result<Self> {
        let address = own_address();
        let secure = server_config(&authority.issue(TLS_NAME), None);
        Ok(TrainingBackends {
            plain: backend::start()?,
            secure: backend::start_tls(secure)?,
            scripted: TestBackend::answering(scripted).address(),
            grpc: GrpcBackend::start("grpc").address(),
            chat: TestBackend::answering(websocket::echo).address(),
            refused: SocketAddr::new(address, free_port(address)),
            silent: TestBackend::answering(|_, wire| wire.read_until(0, &mut Vec::new()).map(drop))
                .address(),
        })
    }
}

/// Reads the body of the request, and answers as its header says.
fn scripted(request: &ReceivedRequest, wire: &mut Wire) -> io::Result<()> {
    read_body(request, wire)?;
    let script = request.header(SCRIPT);
    let mut words = script.split(' ').map(|word| (word, word.parse().ok()));
    let answer = match (words.next(), words.next()) {
        (Some(("chunked", _)), Some((_, Some(length)))) => chunked(length),
        (Some(("status", _)), Some((status, _))) => {
            let length = if status == "204" || status == "304" {
                ""
            } else {
                "Content-Length: 0\r\n"
            };
            format!("HTTP/1.1 {status} Scripted\r\n{length}ETag: \"1\"\r\n\r\n").into_bytes()
        }
        (Some((_, length)), _) => sized(length.unwrap_or(100)),
        (None, _) => sized(100),
    };
    wire.get_mut().write_all(&answer)
}

fn sized(length: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: private, max-age=0\r\nSet-Cookie: session=0123456789abcdef; Path=/; HttpOnly\r\n\r\n"
    );
    [head.as_bytes(), &vec![b'x'; length]].concat()
}

fn chunked(length: usize) -> Vec<u8> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    [
        head.as_bytes(),
        &load::request::chunked(&vec![b'x'; length]),
    ]
    .concat()
}

fn read_body(request: &ReceivedRequest, wire: &mut Wire) -> io::Result<()> {
    if request.header("transfer-encoding") == "chunked" {
        loop {
            let mut line = String::new();
            wire.read_line(&mut line)?;
            let length = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            skip(wire, length + 2)?;
            if length == 0 {
                return Ok(());
            }
        }
    }
    match request.header("content-length") {
        "" => Ok(()),
        length => skip(wire, length.parse().map_err(io::Error::other)?),
    }
}

fn skip(wire: &mut Wire, length: u64) -> io::Result<()> {
    let read = io::copy(&mut wire.take(length), &mut io::sink())?;
    if read == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
