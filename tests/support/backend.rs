//! Backends outside the daemon.

use super::network::{free_port, own_address};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A backend in this process: it answers every request with 200 and its name, and keeps connections alive.
/// It lives as long as the test.
pub struct Backend {
    address: SocketAddr,
}

impl Backend {
    /// One on an address of its own.
    pub fn start(name: &str) -> Self {
        let ip = own_address();
        Backend::listen(name, SocketAddr::new(ip, free_port(ip)))
    }

    /// One at this address.
    pub fn listen(name: &str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the backend's socket");
        let name = name.to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let name = name.clone();
                thread::spawn(move || answer(&stream, &name));
            }
        });
        Backend { address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Answers requests without bodies until the peer closes.
fn answer(stream: &TcpStream, name: &str) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let mut first = true;
        while first || line != "\r\n" {
            first = false;
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
        }
        let length = name.len();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}"
        )
        .ok()?;
    }
}
