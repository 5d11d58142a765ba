//! Backends outside the daemon.

use super::network::{free_port, own_address};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A backend in this process, which keeps connections alive. It lives as long as the test.
pub struct Backend {
    address: SocketAddr,
}

/// The head of a request.
#[derive(Debug)]
pub struct Request {
    /// In the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A connection: read buffered, write by `get_mut`.
pub type Wire = BufReader<TcpStream>;

impl Backend {
    /// One that answers every request with 200 and its name, on an address of its own.
    pub fn start(name: &str) -> Self {
        let ip = own_address();
        Backend::listen(name, SocketAddr::new(ip, free_port(ip)))
    }

    /// The same, at this address.
    pub fn listen(name: &str, address: SocketAddr) -> Self {
        let name = name.to_owned();
        Backend::serve(address, move |_, wire| say(wire, &name))
    }

    /// One that does this with each request's head: it reads the body, if there is one, and answers. An
    /// error ends the connection.
    pub fn doing(
        answer: impl Fn(&Request, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let ip = own_address();
        Backend::serve(SocketAddr::new(ip, free_port(ip)), answer)
    }

    fn serve(
        address: SocketAddr,
        answer: impl Fn(&Request, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the backend's socket");
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = answer.clone();
                thread::spawn(move || {
                    let mut wire = BufReader::new(stream);
                    while let Some(request) = Request::read(&mut wire) {
                        if answer(&request, &mut wire).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Backend { address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Answers 200 with this body.
pub fn say(wire: &mut Wire, body: &str) -> io::Result<()> {
    let length = body.len();
    // In one piece: the second of two small ones would wait for the first to be acknowledged, 40 ms.
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    wire.get_mut().write_all(answer.as_bytes())
}

impl Request {
    /// Nothing when the peer has closed.
    fn read(wire: &mut Wire) -> Option<Self> {
        let _method_and_path = line(wire)?;
        let mut request = Request {
            headers: Vec::new(),
        };
        loop {
            let line = line(wire)?;
            if line.is_empty() {
                return Some(request);
            }
            let (name, value) = line.split_once(':')?;
            let header = (name.to_ascii_lowercase(), value.trim().to_owned());
            request.headers.push(header);
        }
    }

    /// A header's first value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        found.next().map_or("", |(_, value)| value)
    }
}

fn line(wire: &mut Wire) -> Option<String> {
    let mut line = String::new();
    match wire.read_line(&mut line).ok()? {
        0 => None,
        _ => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
