//! Servers of keys (JWKS), well-behaved and otherwise, over HTTP and HTTPS.

use super::network::{free_port, own_address};
use super::tls::{Authority, Pair, server_config};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server of keys. It lives as long as the test.
pub struct KeyServer {
    address: SocketAddr,
    state: Arc<KeyServerState>,
}

struct KeyServerState {
    behavior: Mutex<KeyServerBehavior>,
    requests: AtomicUsize,
    /// The most bytes that one client has read of an answer.
    sent: AtomicUsize,
}

/// What a server of keys does with a request.
#[derive(Clone, Debug)]
pub enum KeyServerBehavior {
    /// Answers 200 with this body.
    Body(String),
    /// Answers with this status line and these header fields, each with a line break.
    Status(&'static str, String),
    /// Never answers.
    Silent,
    /// Answers 200 with 100 MB.
    Huge,
    /// Begins an answer and never ends it.
    Slow,
}

impl KeyServer {
    /// Starts a server over HTTP.
    pub fn start(behavior: KeyServerBehavior) -> Self {
        KeyServer::serve(behavior, None)
    }

    /// Starts a server over HTTPS with this certificate.
    pub fn secure(behavior: KeyServerBehavior, pair: &Pair) -> Self {
        KeyServer::serve(behavior, Some(server_config(pair, None)))
    }

    /// Starts a server over HTTPS with a certificate for its address.
    pub fn secure_at_own_name(behavior: KeyServerBehavior, authority: &Authority) -> Self {
        let ip = own_address();
        let pair = authority.issue(&ip.to_string());
        KeyServer::listen(ip, behavior, Some(server_config(&pair, None)))
    }

    fn serve(behavior: KeyServerBehavior, tls: Option<Arc<ServerConfig>>) -> Self {
        KeyServer::listen(own_address(), behavior, tls)
    }

    fn listen(ip: IpAddr, behavior: KeyServerBehavior, tls: Option<Arc<ServerConfig>>) -> Self {
        let address = SocketAddr::new(ip, free_port(ip));
        let listener = TcpListener::bind(address).expect("the server's socket");
        let state = Arc::new(KeyServerState {
            behavior: Mutex::new(behavior),
            requests: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, tls) = (shared.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => state.answer(stream),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a session");
                        state.answer(StreamOwned::new(connection, stream));
                    }
                });
            }
        });
        KeyServer { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the keys.
    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// Changes what it does with further requests.
    pub fn change(&self, behavior: KeyServerBehavior) {
        *self.state.behavior.lock().expect("no panic") = behavior;
    }

    /// The number of requests so far.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// The most bytes that one client has accepted of an answer.
    pub fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }
}

impl KeyServerState {
    fn answer(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if !matches!(stream.read_line(&mut line), Ok(1..)) {
                return;
            }
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let behavior = self.behavior.lock().expect("no panic").clone();
        let stream = stream.get_mut();
        match behavior {
            KeyServerBehavior::Body(body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(head.as_bytes());
            }
            KeyServerBehavior::Status(line, fields) => {
                let head = format!("HTTP/1.1 {line}\r\n{fields}Content-Length: 0\r\n\r\n");
                let _ = stream.write_all(head.as_bytes());
            }
            KeyServerBehavior::Silent => until_closed(stream),
            KeyServerBehavior::Slow => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{");
                until_closed(stream);
            }
            KeyServerBehavior::Huge => self.send_100_mb(stream),
        }
        let _ = stream.flush();
    }

    fn send_100_mb(&self, stream: &mut impl Write) {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
        let spaces = [b' '; 10_000];
        let mut sent = 0;
        if stream.write_all(head.as_bytes()).is_ok() {
            while sent < 100_000_000 && stream.write_all(&spaces).is_ok() {
                sent += spaces.len();
            }
        }
        self.sent.fetch_max(sent, Ordering::SeqCst);
    }
}

/// Waits until the client closes the connection.
fn until_closed(stream: &mut impl Read) {
    let _ = stream.read_to_end(&mut Vec::new());
}
