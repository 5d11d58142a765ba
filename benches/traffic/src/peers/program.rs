//! The other servers: where their programs are, and how they are configured and started.
//!
//! Each has a file in `config`, which says why a setting is there. All of them use one thread for requests, keep connections to
//! the backend, set `X-Forwarded-For`, `-Proto` and `-Host` and `X-Request-Id`, log no requests, and serve the same certificate
//! with TLS 1.3.

use super::token::{ISSUER, PeerToken};
use std::env;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server that isn't ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Nginx,
    Haproxy,
    Envoy,
    Caddy,
}

/// What a configuration depends on.
pub struct PeerSettings<'a> {
    pub address: IpAddr,
    pub plain: u16,
    pub tls: u16,
    /// The port for HTTP/2 without TLS, of servers that can't detect it.
    pub http2: u16,
    pub backend: SocketAddr,
    pub host: &'a str,
    /// The folder with `cert.pem`, `key.pem` and `pair.pem` (both), where the server may write as well.
    pub folder: &'a Path,
    /// The token that every request must carry. `None` if none needs one.
    pub token: Option<&'a PeerToken>,
}

impl Program {
    #[cfg(test)]
    pub const ALL: [Program; 4] = [
        Program::Nginx,
        Program::Haproxy,
        Program::Envoy,
        Program::Caddy,
    ];

    /// The name of the command.
    pub fn command(self) -> &'static str {
        match self {
            Program::Nginx => "nginx",
            Program::Haproxy => "haproxy",
            Program::Envoy => "envoy",
            Program::Caddy => "caddy",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Program::Nginx => "nginx",
            Program::Haproxy => "HAProxy",
            Program::Envoy => "Envoy",
            Program::Caddy => "Caddy",
        }
    }

    /// The installed binary: in `PATH`, or where distributions put programs of the system. `None` if there is none.
    pub fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
        let mut folders = env::split_paths(&path).chain(more);
        folders.find_map(|folder| {
            let file = folder.join(self.command());
            file.is_file().then_some(file)
        })
    }

    /// The version that the binary prints. `None` if it prints none.
    pub fn version(self, binary: &Path) -> Option<String> {
        let argument = match self {
            Program::Nginx | Program::Haproxy => "-v",
            Program::Envoy => "--version",
            Program::Caddy => "version",
        };
        let output = Command::new(binary).arg(argument).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        // Envoy begins with its path, which may contain another version.
        let mut words = line.rsplit(|each: char| !each.is_ascii_digit() && each != '.');
        let version = words.find(|word| word.split('.').filter(|it| !it.is_empty()).count() > 2);
        version.map(str::to_owned)
    }

    /// Whether it can verify JSON Web Tokens, as Debian and Python packages have it.
    pub fn verifies_tokens(self) -> bool {
        match self {
            Program::Haproxy | Program::Envoy => true,
            Program::Nginx | Program::Caddy => false,
        }
    }

    /// Returns the part of the configuration that requires a token.
    fn token_rules(self, token: &PeerToken) -> String {
        match self {
            Program::Haproxy => include_str!("config/haproxy-token.cfg").to_owned(),
            Program::Envoy => {
                let rules = include_str!("config/envoy-token.yaml");
                rules.replace("@JWKS@", &token.jwks)
            }
            Program::Nginx | Program::Caddy => String::new(),
        }
    }

    /// Writes the configuration into the folder of the settings. Returns the file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn configure(self, settings: &PeerSettings<'_>) -> io::Result<PathBuf> {
        let (name, template) = match self {
            Program::Nginx => ("nginx.conf", include_str!("config/nginx.conf")),
            Program::Haproxy => ("haproxy.cfg", include_str!("config/haproxy.cfg")),
            Program::Envoy => ("envoy.yaml", include_str!("config/envoy.yaml")),
            Program::Caddy => ("Caddyfile", include_str!("config/Caddyfile")),
        };
        let values = [
            ("@ADDRESS@", settings.address.to_string()),
            ("@PLAIN_PORT@", settings.plain.to_string()),
            ("@TLS_PORT@", settings.tls.to_string()),
            ("@HTTP2_PORT@", settings.http2.to_string()),
            ("@BACKEND_ADDRESS@", settings.backend.ip().to_string()),
            ("@BACKEND_PORT@", settings.backend.port().to_string()),
            ("@HOST@", settings.host.to_owned()),
            (
                "# @TOKEN@\n",
                settings
                    .token
                    .map_or_else(String::new, |token| self.token_rules(token)),
            ),
            ("@ISSUER@", ISSUER.to_owned()),
            ("@FOLDER@", settings.folder.display().to_string()),
        ];
        let text = values
            .iter()
            .fold(template.to_owned(), |text, (word, value)| {
                text.replace(word, value)
            });
        if let Some(token) = settings.token {
            fs::write(settings.folder.join("issuer.pem"), &token.public_key)?;
        }
        let path = settings.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Adds what runs the server in the foreground with one thread for requests.
    pub fn run(self, command: &mut Command, configuration: &Path) {
        match self {
            Program::Nginx => command.arg("-c").arg(configuration),
            // Without -db, it would run in the background if a configuration says so.
            Program::Haproxy => command.args(["-db", "-f"]).arg(configuration),
            Program::Envoy => command
                // Without it, a second Envoy on the machine would fail: both would use the same shared memory.
                .args(["--use-dynamic-base-id", "--log-level", "error"])
                .args(["--concurrency", "1", "-c"])
                .arg(configuration),
            Program::Caddy => command
                .env("GOMAXPROCS", "1")
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(configuration),
        };
    }

    /// Adds what only checks a configuration.
    #[cfg(test)]
    pub fn check(self, command: &mut Command, configuration: &Path) {
        match self {
            Program::Nginx => command.arg("-t").arg("-c").arg(configuration),
            Program::Haproxy => command.args(["-c", "-f"]).arg(configuration),
            Program::Envoy => command
                .args(["--mode", "validate", "--use-dynamic-base-id", "-c"])
                .arg(configuration),
            Program::Caddy => command
                .args(["validate", "--adapter", "caddyfile", "--config"])
                .arg(configuration),
        };
    }

    /// Whether HTTP/2 without TLS needs a port of its own.
    pub fn has_http2_port(self) -> bool {
        match self {
            Program::Nginx => true,
            Program::Haproxy | Program::Envoy | Program::Caddy => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Run;
    use crate::scratch::Scratch;
    use crate::support::tls::Authority;

    #[test]
    fn installed_servers_accept_their_configuration() {
        let pair = Authority::new().issue("www.example.com");
        let keys = Scratch::new().expect("a folder");
        let token = PeerToken::new(keys.path()).expect("openssl");
        let all = Program::ALL.into_iter();
        for (program, token) in all.flat_map(|it| [(it, None), (it, Some(&token))]) {
            let Some(binary) = program.find() else {
                eprintln!("{} is not installed", program.name());
                continue;
            };
            let folder = Scratch::new().expect("a folder");
            let write = |name: &str, text: &str| {
                fs::write(folder.path().join(name), text).expect("a file is written");
            };
            write("cert.pem", &pair.certificate);
            write("key.pem", &pair.key);
            write("pair.pem", &(pair.certificate.clone() + &pair.key));
            let settings = PeerSettings {
                address: IpAddr::from([127, 0, 0, 1]),
                plain: 8080,
                tls: 8443,
                http2: 8081,
                backend: SocketAddr::from(([127, 0, 0, 1], 3000)),
                host: "www.example.com",
                folder: folder.path(),
                token,
            };
            let configuration = program.configure(&settings).expect("a configuration");
            let mut command = Run::Plain.command(&binary);
            program.check(&mut command, &configuration);
            let output = command.output().expect("the server runs");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}: {text}", program.name());
        }
    }
}
