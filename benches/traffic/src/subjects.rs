//! The compared servers. Each serves the same route to the same backend.

use crate::backend;
use crate::peers::program::{PeerSettings, Program};
use crate::peers::token::PeerToken;
use crate::process::{MeasuredServer, Run};
use crate::proxies::ProxySettings;
use crate::scratch::Scratch;
use crate::support::load::LoadTarget;
use crate::support::load::connection::LoadConnection;
use crate::support::load::request_error::RequestError;
use crate::support::manifests::{endpoint_slice, gateway_with, route, service};
use crate::support::network::{free_port, own_address};
use crate::support::tls::{Authority, secret};
use anyhow::Context as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub const HOST: &str = "www.example.com";

/// A server to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// A bare proxy under Pingora's own `Service`.
    Pingora,
    /// The same proxy under gatefold's sockets.
    Sockets,
    /// gatefold with one route.
    Gatefold,
    /// Another server with a route.
    Other(Program),
}

impl Subject {
    /// The name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Subject::Pingora => "pingora",
            Subject::Sockets => "sockets",
            Subject::Gatefold => "gatefold",
            Subject::Other(program) => program.command(),
        }
    }

    /// Whether it can verify JSON Web Tokens.
    pub fn verifies_tokens(self) -> bool {
        match self {
            Subject::Pingora | Subject::Sockets => false,
            Subject::Gatefold => true,
            Subject::Other(program) => program.verifies_tokens(),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Subject::Pingora => "a bare proxy under Pingora's Service",
            Subject::Sockets => "the same under gatefold's sockets",
            Subject::Gatefold => "gatefold, with a route",
            Subject::Other(program) => program.name(),
        }
    }
}

/// The environment of the compared servers: a backend, certificates, and a folder that is removed when this is dropped.
pub struct Scene {
    gatefold: PathBuf,
    authority: Authority,
    folder: Scratch,
    /// A folder for each server that isn't ours.
    other_folders: Scratch,
    backend: SocketAddr,
    /// The token that every request must carry. `None` if none needs one.
    token: Option<PeerToken>,
}

impl Scene {
    /// Writes the manifests and starts the backend.
    ///
    /// # Errors
    /// If the folder can't be written, or the backend can't be started.
    pub fn prepare(gatefold: PathBuf) -> anyhow::Result<Self> {
        let scene = Scene {
            gatefold,
            authority: Authority::new(),
            folder: Scratch::new()?,
            other_folders: Scratch::new()?,
            backend: backend::start()?,
            token: None,
        };
        let pair = scene.authority.issue(HOST);
        let listeners = "    - {name: http, protocol: HTTP, port: 80}
    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";
        let documents = [
            gateway_with(listeners),
            route("one", HOST),
            service("one"),
            endpoint_slice("one", scene.backend),
            secret("cert", &pair.certificate, &pair.key),
        ];
        let folder = scene.folder.path();
        fs::write(folder.join("manifests.yaml"), documents.join("---\n"))?;
        fs::write(folder.join("cert.pem"), &pair.certificate)?;
        fs::write(folder.join("key.pem"), &pair.key)?;
        Ok(scene)
    }

    /// Makes the servers that are started later require a token of each request.
    ///
    /// # Errors
    /// If it can't be signed, or the folder can't be written.
    pub fn require_token(&mut self) -> anyhow::Result<()> {
        let token = PeerToken::new(self.other_folders.path())?;
        let policy = self.folder.path().join("policy.yaml");
        fs::write(policy, token.policy("one"))?;
        self.token = Some(token);
        Ok(())
    }

    /// The token that every request must carry. `None` if none needs one.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|it| &*it.token)
    }

    /// Starts one of the servers.
    ///
    /// # Errors
    /// If the server does not accept in time.
    pub fn start(&self, subject: Subject, run: Run<'_>) -> anyhow::Result<MeasuredServer> {
        let mut server = match subject {
            Subject::Pingora => self.start_bare("pingora", run)?,
            Subject::Sockets => self.start_bare("sockets", run)?,
            Subject::Gatefold => self.start_gatefold(&self.gatefold, run)?,
            Subject::Other(program) => self.start_other(program, run)?,
        };
        server.wait_for(server.target.tls)?;
        Ok(server)
    }

    /// Starts another binary of gatefold.
    ///
    /// # Errors
    /// If the server does not accept in time.
    pub fn start_binary(&self, gatefold: &Path) -> anyhow::Result<MeasuredServer> {
        let mut server = self.start_gatefold(gatefold, Run::Plain)?;
        server.wait_for(server.target.tls)?;
        Ok(server)
    }

    fn start_gatefold(&self, gatefold: &Path, run: Run<'_>) -> anyhow::Result<MeasuredServer> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let target = self.target(nowhere, nowhere);
        MeasuredServer::gatefold(gatefold, self.folder.path(), target, run)
    }

    /// The folder, also for files of measurements.
    pub fn folder(&self) -> &Scratch {
        &self.folder
    }

    /// The certificate authority that has issued the servers' certificate.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    fn start_other(&self, program: Program, run: Run<'_>) -> anyhow::Result<MeasuredServer> {
        let binary = program.find().context("not installed")?;
        let folder = self.other_folders.path().join(program.command());
        self.write_certificate(&folder)?;
        let address = own_address();
        let settings = PeerSettings {
            address,
            plain: free_port(address),
            tls: free_port(address),
            http2: free_port(address),
            backend: self.backend,
            host: HOST,
            folder: &folder,
            token: self.token.as_ref(),
        };
        let mut command = run.command(&binary);
        program.run(&mut command, &program.configure(&settings)?);
        let socket = |port| SocketAddr::new(address, port);
        let target = self.target(socket(settings.plain), socket(settings.tls));
        let mut server = MeasuredServer::spawn(&mut command, target)?;
        if program.has_http2_port() {
            server.http2 = socket(settings.http2);
        }
        server.wait_for(server.target.plain)?;
        Ok(server)
    }

    /// Writes the certificate and its key into a new folder, in two files and in one.
    fn write_certificate(&self, folder: &Path) -> anyhow::Result<()> {
        let [certificate, key] =
            ["cert.pem", "key.pem"].map(|name| fs::read(self.folder.path().join(name)));
        let (certificate, key) = (certificate?, key?);
        fs::create_dir(folder)?;
        fs::write(folder.join("cert.pem"), &certificate)?;
        fs::write(folder.join("key.pem"), &key)?;
        Ok(fs::write(
            folder.join("pair.pem"),
            [certificate, key].concat(),
        )?)
    }

    fn start_bare(&self, kind: &str, run: Run<'_>) -> anyhow::Result<MeasuredServer> {
        let ip = own_address();
        let port = || SocketAddr::new(ip, free_port(ip));
        let settings = ProxySettings {
            plain: port(),
            tls: port(),
            backend: self.backend,
            threads: run.threads(),
            folder: self.folder.path().to_owned(),
        };
        settings.write()?;
        let target = self.target(settings.plain, settings.tls);
        MeasuredServer::own(kind, self.folder.path(), target, run)
    }

    fn target(&self, plain: SocketAddr, tls: SocketAddr) -> LoadTarget {
        LoadTarget {
            plain,
            tls,
            host: HOST.to_owned(),
            trust: Some(self.authority.trust()),
        }
    }
}

/// Sends one request that must be answered with 200.
///
/// # Errors
/// If the request fails, or is answered with another status.
pub async fn ask(connection: &mut LoadConnection) -> Result<(), RequestError> {
    let answer = connection.get(HOST, "/", "cost").await?;
    match answer.status {
        200 => Ok(()),
        status => Err(RequestError::WrongAnswer(format!("status {status}"))),
    }
}
