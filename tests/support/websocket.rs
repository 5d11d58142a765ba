//! Minimal WebSockets (RFC 6455): short text messages, and the key of the RFC's example.

use super::DEADLINE;
use super::backend::{ReceivedRequest, Wire};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The key and its response in RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;
/// The mask of the client's messages. Any value works.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's WebSocket.
pub struct WebSocket {
    wire: BufReader<TcpStream>,
}

impl WebSocket {
    /// Connects and upgrades.
    ///
    /// # Errors
    /// If the upgrade is not accepted.
    pub fn open(socket: SocketAddr, host: &str, path: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&socket, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        )?;
        let mut wire = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if wire.read_line(&mut head)? == 0 {
                return Err(io::Error::other(format!(
                    "closed within the response header: {head:?}"
                )));
            }
        }
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
            return Err(io::Error::other(head));
        }
        Ok(WebSocket { wire })
    }

    /// Sends a message.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        let mut frame = vec![TEXT, MASKED | short(text)];
        frame.extend(MASK);
        frame.extend(masked(text.as_bytes()));
        self.wire.get_mut().write_all(&frame)
    }

    /// Receives the next message.
    pub fn receive(&mut self) -> io::Result<String> {
        read_frame(&mut self.wire)
    }
}

/// The backend: accepts and sends a greeting in one write, then echoes each message.
pub fn echo(_: &ReceivedRequest, wire: &mut Wire) -> io::Result<()> {
    let mut opening = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    )
    .into_bytes();
    opening.extend(frame("welcome"));
    wire.get_mut().write_all(&opening)?;
    loop {
        let text = read_frame(wire)?;
        wire.get_mut().write_all(&frame(&text))?;
    }
}

fn frame(text: &str) -> Vec<u8> {
    [&[TEXT, short(text)], text.as_bytes()].concat()
}

/// The length of a message in one byte. Longer messages would use another format.
fn short(text: &str) -> u8 {
    let length = u8::try_from(text.len()).expect("a short message");
    assert!(length < 126, "a short message");
    length
}

fn read_frame(wire: &mut impl Read) -> io::Result<String> {
    let mut start = [0; 2];
    wire.read_exact(&mut start)?;
    if start[0] != TEXT {
        return Err(io::Error::other(format!("no text frame: {start:?}")));
    }
    let mut mask = [0; 4];
    if start[1] & MASKED != 0 {
        wire.read_exact(&mut mask)?;
    }
    let mut payload = vec![0; usize::from(start[1] & !MASKED)];
    wire.read_exact(&mut payload)?;
    if mask != [0; 4] {
        payload = masked(&payload);
    }
    String::from_utf8(payload).map_err(io::Error::other)
}

fn masked(bytes: &[u8]) -> Vec<u8> {
    let mask = MASK.iter().cycle();
    bytes
        .iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}
