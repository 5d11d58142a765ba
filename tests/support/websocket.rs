//! WebSockets (RFC 6455) as far as tests need them: short text messages, the RFC's own key.

use super::DEADLINE;
use super::backend::{Request, Wire};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The key and its answer of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;
/// Clients mask what they send. The value doesn't matter here.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's WebSocket.
pub struct WebSocket {
    wire: BufReader<TcpStream>,
}

impl WebSocket {
    /// Connects and upgrades.
    ///
    /// # Errors
    /// When it isn't accepted.
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
                return Err(io::Error::other(format!("closed in the head: {head:?}")));
            }
        }
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
            return Err(io::Error::other(head));
        }
        Ok(WebSocket { wire })
    }

    pub fn say(&mut self, text: &str) -> io::Result<()> {
        let mut frame = vec![TEXT, MASKED | short(text)];
        frame.extend(MASK);
        frame.extend(masked(text.as_bytes()));
        self.wire.get_mut().write_all(&frame)
    }

    /// The next message.
    pub fn hear(&mut self) -> io::Result<String> {
        read_frame(&mut self.wire)
    }
}

/// A backend's part: accepts and greets in one write, then says back what it hears.
pub fn echo(_: &Request, wire: &mut Wire) -> io::Result<()> {
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

/// Longer ones have another form.
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
