//! A small HTTP/1.1 client over any stream. It sends requests unchanged and reads answers.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A persistent connection.
pub struct Client<S: Read + Write = TcpStream> {
    stream: BufReader<S>,
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// In the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Sends one `GET` on a new connection.
#[track_caller]
pub fn get(address: SocketAddr, host: &str, path: &str) -> Response {
    try_get(address, host, path).unwrap_or_else(|error| panic!("GET {host}{path}: {error}"))
}

/// The same, for requests that may fail.
pub fn try_get(address: SocketAddr, host: &str, path: &str) -> io::Result<Response> {
    Client::connect(address)?.get(host, path, &[])
}

impl Client<TcpStream> {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, super::DEADLINE)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Client::over(stream))
    }
}

impl<S: Read + Write> Client<S> {
    pub fn over(stream: S) -> Self {
        Client {
            stream: BufReader::new(stream),
        }
    }

    /// The underlying stream.
    pub fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    /// Sends a `GET` and reads the answer.
    pub fn get(
        &mut self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Response> {
        self.send("GET", host, path, headers, b"")
    }

    /// Sends a request and reads the answer.
    pub fn send(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes)?;
        self.read(method)
    }

    /// Sends these bytes.
    pub fn begin(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Reads an answer to a `GET`.
    pub fn answer(&mut self) -> io::Result<Response> {
        self.read("GET")
    }

    fn read(&mut self, method: &str) -> io::Result<Response> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("a status line: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| io::Error::other(line.clone()))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        if method != "HEAD" && !matches!(status, 204 | 304) {
            response.body = self.body(&response)?;
        }
        Ok(response)
    }

    fn body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.line()?;
                let length = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
                let mut chunk = vec![0; length];
                self.stream.read_exact(&mut chunk)?;
                self.line()?;
                if length == 0 {
                    return Ok(body);
                }
                body.append(&mut chunk);
            }
        }
        match response.header("content-length") {
            Some(length) => {
                body.resize(length.parse().map_err(io::Error::other)?, 0);
                self.stream.read_exact(&mut body)?;
            }
            None => {
                self.stream.read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection was closed",
            ));
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl Response {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// Which backend answered: the pod's name without its two suffixes.
    #[track_caller]
    pub fn backend(&self) -> String {
        let json = self.json();
        let pod = json["pod"].as_str().expect("a pod's name");
        pod.rsplitn(3, '-').nth(2).expect("name-hash-id").to_owned()
    }
}
