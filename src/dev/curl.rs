//! curl lines that work when they are pasted into a shell.

use super::request::SampleRequest;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Where a request goes.
#[derive(Clone, Debug)]
pub(super) struct Destination<'a> {
    /// The host of the URL. `None` if any host is served.
    pub host: Option<&'a str>,
    /// The port of the manifest.
    pub port: u16,
    /// The socket that is bound for the port.
    pub socket: SocketAddr,
    /// What a client must trust. `None` without TLS.
    pub tls: Option<Trust<'a>>,
}

/// What a client must trust to accept a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust<'a> {
    /// The development CA, whose certificate is in this file.
    DevelopmentCa(&'a Path),
    /// An unknown authority: the certificate is the user's.
    Unknown,
}

impl Destination<'_> {
    /// Returns the URL of a request. It has the host and the port of the manifest, or those of the socket if any host is served
    /// without TLS.
    pub(super) fn url(&self, request: &SampleRequest) -> String {
        let mut url = format!("{}://{}", self.scheme(), self.authority());
        url.push_str(&encode(&request.path, b"/-._~!$&'()*+,;=:@%"));
        for (number, (name, value)) in request.query.iter().enumerate() {
            let separator = if number == 0 { '?' } else { '&' };
            let encode = |text: &str| encode(text, b"-._~");
            let _ = write!(url, "{separator}{}={}", encode(name), encode(value));
        }
        url
    }

    /// Returns a curl line for a request.
    pub(super) fn curl(&self, request: &SampleRequest) -> String {
        let mut line = "curl".to_owned();
        let mut argument = |text: &str| {
            line.push(' ');
            line.push_str(&quote(text));
        };
        if let Some(host) = self.connect_host() {
            argument("--connect-to");
            argument(&format!("{host}:{}:{}", self.port, reachable(self.socket)));
        }
        match self.tls {
            Some(Trust::DevelopmentCa(file)) => {
                argument("--cacert");
                argument(&file.display().to_string());
            }
            Some(Trust::Unknown) => argument("--insecure"),
            None => {}
        }
        if request.is_grpc {
            argument(if self.tls.is_some() {
                "--http2"
            } else {
                "--http2-prior-knowledge"
            });
            for header in ["content-type: application/grpc", "te: trailers"] {
                argument("-H");
                argument(header);
            }
            argument("--data-binary");
            argument("");
            // The answer of a call isn't text.
            argument("-i");
            argument("--output");
            argument("-");
        } else if let Some(method) = request.method {
            let arguments: &[&str] = match method {
                "HEAD" => &["--head"],
                method => &["-X", method],
            };
            arguments.iter().for_each(|it| argument(it));
        }
        for (name, value) in &request.headers {
            argument("-H");
            // curl sends no header for a colon without a value.
            if value.is_empty() {
                argument(&format!("{name};"));
            } else {
                argument(&format!("{name}: {value}"));
            }
        }
        argument(&self.url(request));
        line
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The host in the URL for which curl must connect to the socket (`--connect-to`). `None` if the URL contains the socket's
    /// address.
    fn connect_host(&self) -> Option<&str> {
        match (self.host, self.tls) {
            (None, None) => None,
            // A certificate without names is for localhost.
            (host, _) => Some(host.unwrap_or("localhost")),
        }
    }

    fn authority(&self) -> String {
        let Some(host) = self.connect_host() else {
            return reachable(self.socket).to_string();
        };
        let usual = if self.tls.is_some() { 443 } else { 80 };
        if self.port == usual {
            host.to_owned()
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// The socket as a client on this host reaches it.
fn reachable(socket: SocketAddr) -> SocketAddr {
    let ip = match socket.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, socket.port())
}

/// Percent-encodes what isn't a letter, a digit or one of `literal`.
fn encode(text: &str, literal: &[u8]) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || literal.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Quotes a word for a POSIX shell, if that is necessary.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> SampleRequest {
        SampleRequest {
            path: path.to_owned(),
            ..SampleRequest::default()
        }
    }

    #[test]
    fn a_line_connects_to_the_socket_and_keeps_the_url_of_the_manifest() {
        let file = Path::new("/my state/ca.crt");
        let mut to = Destination {
            host: Some("shop.example"),
            port: 443,
            socket: "127.83.0.1:8443".parse().expect("a socket"),
            tls: Some(Trust::DevelopmentCa(file)),
        };
        assert_eq!(
            to.curl(&request("/cart")),
            "curl --connect-to shop.example:443:127.83.0.1:8443 --cacert '/my state/ca.crt' https://shop.example/cart"
        );
        to.tls = Some(Trust::Unknown);
        to.port = 9443;
        assert_eq!(
            to.curl(&request("/")),
            "curl --connect-to shop.example:9443:127.83.0.1:8443 --insecure https://shop.example:9443/"
        );
        to.host = None;
        to.tls = None;
        to.socket = "[::]:8080".parse().expect("a socket");
        assert_eq!(to.curl(&request("/")), "curl 'http://[::1]:8080/'");
    }

    #[test]
    fn a_line_has_what_the_match_demands() {
        let to = Destination {
            host: Some("shop.example"),
            port: 80,
            socket: "127.0.0.1:80".parse().expect("a socket"),
            tls: None,
        };
        let mut request = request("/a b");
        request.method = Some("DELETE");
        request.headers = vec![
            ("x-user".to_owned(), "it's me".to_owned()),
            ("x-any".to_owned(), String::new()),
        ];
        request.query = vec![
            ("q".to_owned(), "a&b".to_owned()),
            ("x".to_owned(), String::new()),
        ];
        assert_eq!(
            to.curl(&request),
            r"curl --connect-to shop.example:80:127.0.0.1:80 -X DELETE -H 'x-user: it'\''s me' -H 'x-any;' 'http://shop.example/a%20b?q=a%26b&x='"
        );
    }
}
