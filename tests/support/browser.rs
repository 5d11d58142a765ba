//! A browser that logs in at an OpenID provider.

use super::client::{Client, Response};
use super::daemon::Daemon;
use super::openid_provider::OpenIdProvider;
use std::collections::BTreeMap;

/// A browser for one host, with its cookies.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Sends a GET with these header fields, and keeps the cookies of the answer.
    #[track_caller]
    pub fn get_with(
        &mut self,
        daemon: &Daemon,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response {
        let mut all = headers.to_vec();
        let cookies = self.header();
        if !self.cookies.is_empty() {
            all.push(("Cookie", &cookies));
        }
        let mut client = Client::connect(daemon.socket(80)).expect("a connection");
        let answer = client.get(host, path, &all).expect("an answer");
        self.keep(&answer);
        answer
    }

    /// Sends a GET, and keeps the cookies of the answer.
    #[track_caller]
    pub fn get(&mut self, daemon: &Daemon, host: &str, path: &str) -> Response {
        self.get_with(daemon, host, path, &[])
    }

    /// Returns the `Cookie` field.
    pub fn header(&self) -> String {
        let pairs = self.cookies.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    fn keep(&mut self, answer: &Response) {
        for field in fields(answer, "set-cookie") {
            let (pair, attributes) = field.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            assert!(pair.len() <= 4096, "browsers drop {} bytes", pair.len());
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Opens a page that needs a login, logs in at the provider, and comes back. Returns the answer to the callback.
    #[track_caller]
    pub fn log_in(
        &mut self,
        daemon: &Daemon,
        provider: &OpenIdProvider,
        host: &str,
        path: &str,
    ) -> Response {
        let asked = self.get(daemon, host, path);
        assert_eq!(asked.status, 302, "{}", asked.text());
        let callback = provider.log_in(asked.header("location").expect("a redirect"));
        self.get(daemon, host, path_of(&callback, host))
    }
}

/// Returns all values of a header.
pub fn fields<'a>(answer: &'a Response, name: &str) -> Vec<&'a str> {
    let all = answer.headers.iter().filter(|(found, _)| found == name);
    all.map(|(_, value)| value.as_str()).collect()
}

/// Returns the path and the query of a URL at a host.
#[track_caller]
pub fn path_of<'u>(url: &'u str, host: &str) -> &'u str {
    let rest = url.strip_prefix("http://").expect("an http URL");
    rest.strip_prefix(host).expect("a URL of the host")
}
