//! HTTP/1.1 backends.

use super::network::{free_port, own_address};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A backend in this process with persistent connections. It lives as long as the test.
pub struct TestBackend {
    address: SocketAddr,
}

/// The header of a request.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// `METHOD TARGET VERSION`.
    pub line: String,
    /// In the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A connection. Reads are buffered; writes use `get_mut`.
pub type Wire = BufReader<TcpStream>;

impl TestBackend {
    /// Starts a backend on a new address that answers every request with 200 and its name.
    pub fn start(name: &str) -> Self {
        let ip = own_address();
        TestBackend::listen(name, SocketAddr::new(ip, free_port(ip)))
    }

    /// The same, on this address.
    pub fn listen(name: &str, address: SocketAddr) -> Self {
        let name = name.to_owned();
        TestBackend::serve(address, move |_, wire| respond(wire, &name))
    }

    /// Starts a backend that calls `answer` for the header of each request. `answer` must read the body, if there is one, and
    /// write the response. An error closes the connection.
    pub fn answering(
        answer: impl Fn(&ReceivedRequest, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let ip = own_address();
        TestBackend::serve(SocketAddr::new(ip, free_port(ip)), answer)
    }

    fn serve(
        address: SocketAddr,
        answer: impl Fn(&ReceivedRequest, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the backend's socket");
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = answer.clone();
                thread::spawn(move || {
                    let mut wire = BufReader::new(stream);
                    while let Some(request) = ReceivedRequest::read(&mut wire) {
                        if answer(&request, &mut wire).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        TestBackend { address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Answers 200 with this body.
pub fn respond(wire: &mut Wire, body: &str) -> io::Result<()> {
    let length = body.len();
    // One write: a second small one would wait up to 40 ms for the acknowledgement of the first.
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    wire.get_mut().write_all(answer.as_bytes())
}

impl ReceivedRequest {
    /// Returns `None` if the peer has closed the connection.
    fn read(wire: &mut Wire) -> Option<Self> {
        let mut request = ReceivedRequest {
            line: line(wire)?,
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

    /// The first value of a header; empty if there is none.
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
