//! The options of `gatefold-bench peers`.

use super::program::Program;
use crate::subjects::Subject;
use crate::support::load::ClientKind;
use anyhow::{Context as _, bail};
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct PeersOptions {
    /// The number of turns of each server for each kind of client.
    pub rounds: usize,
    /// The length of a turn.
    pub turn: Duration,
    /// The rate of the open loop, in requests per second. With 0, only the closed loop is measured.
    pub rate: u32,
    /// The servers. The others are compared with the first one.
    pub subjects: Vec<Subject>,
    pub clients: Vec<ClientKind>,
    /// Whether requests carry a JSON Web Token, which the servers verify.
    pub token: bool,
}

/// All servers, in the order of the tables.
const SUBJECTS: [Subject; 6] = [
    Subject::Other(Program::Nginx),
    Subject::Other(Program::Haproxy),
    Subject::Other(Program::Envoy),
    Subject::Other(Program::Caddy),
    Subject::Pingora,
    Subject::Gatefold,
];

/// The kinds of clients with their words on the command line.
const CLIENTS: [(&str, ClientKind); 5] = [
    ("http1", ClientKind::Kept),
    ("tls", ClientKind::TlsKept),
    ("http2", ClientKind::Http2),
    ("tls-http2", ClientKind::TlsHttp2),
    ("handshake", ClientKind::TlsFresh),
];

impl PeersOptions {
    pub const USAGE: &str =
        "peers [--rounds N] [--seconds S] [--rate N] [--only SERVER,...] [--clients KIND,...] [--token yes]
    SERVER: nginx, haproxy, envoy, caddy, pingora, gatefold
    KIND:   http1, tls, http2, tls-http2, handshake
    --seconds is the length of a turn, --rate that of the open loop (0: none)
    --token yes: requests carry a JSON Web Token (RS256). Servers that can't verify it, and clients of HTTP/2, are left out";

    /// Parses the arguments.
    ///
    /// # Errors
    /// If an option, a server or a kind of client isn't known.
    pub fn parse(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut options = PeersOptions {
            rounds: 5,
            turn: Duration::from_secs(1),
            rate: 2_000,
            subjects: SUBJECTS.to_vec(),
            clients: CLIENTS.map(|(_, kind)| kind).to_vec(),
            token: false,
        };
        for pair in arguments.chunks(2) {
            let &[name, value] = pair else {
                bail!("{} needs a value. Usage: {}", pair.concat(), Self::USAGE);
            };
            match name {
                "--rounds" => options.rounds = value.parse().context(Self::USAGE)?,
                "--rate" => options.rate = value.parse().context(Self::USAGE)?,
                "--seconds" => {
                    let seconds = value.parse().context(Self::USAGE)?;
                    options.turn = Duration::try_from_secs_f64(seconds)?;
                }
                "--only" => options.subjects = each(value, subject)?,
                "--clients" => options.clients = each(value, client)?,
                "--token" if value == "yes" => options.token = true,
                _ => bail!("there is no option {name}. Usage: {}", Self::USAGE),
            }
        }
        if options.token {
            options.subjects.retain(|it| it.verifies_tokens());
            options.clients.retain(|it| !it.is_http2());
        }
        Ok(options)
    }
}

fn each<T>(list: &str, parse: impl Fn(&str) -> Option<T>) -> anyhow::Result<Vec<T>> {
    let words = list.split(',').map(|word| {
        parse(word).with_context(|| format!("{word:?} isn't known. Usage: {}", PeersOptions::USAGE))
    });
    words.collect()
}

fn subject(word: &str) -> Option<Subject> {
    SUBJECTS.into_iter().find(|it| it.word() == word)
}

fn client(word: &str) -> Option<ClientKind> {
    let mut all = CLIENTS.iter();
    all.find(|(known, _)| *known == word).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_keep_the_order_of_the_command_line() {
        let options = PeersOptions::parse(&["--only", "gatefold,nginx", "--rounds", "3"]);
        let options = options.expect("options");
        let nginx = Subject::Other(Program::Nginx);
        assert_eq!(options.subjects, [Subject::Gatefold, nginx]);
        assert_eq!(options.rounds, 3);
    }

    #[test]
    fn only_servers_that_verify_tokens_get_them() {
        let options = PeersOptions::parse(&["--token", "yes"]).expect("options");
        let programs = [Program::Haproxy, Program::Envoy].map(Subject::Other);
        assert_eq!(options.subjects[..2], programs);
        assert_eq!(options.subjects[2..], [Subject::Gatefold]);
    }

    #[test]
    fn unknown_words_are_refused() {
        for arguments in [
            ["--only", "apache"],
            ["--clients", "http3"],
            ["--round", "1"],
            ["--token", "no"],
        ] {
            assert!(PeersOptions::parse(&arguments).is_err(), "{arguments:?}");
        }
        assert!(
            PeersOptions::parse(&["--rounds"]).is_err(),
            "a value is missing"
        );
    }
}
