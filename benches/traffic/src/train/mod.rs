//! A fixed amount of work that resembles production, for a profile of gatefold (`./x pgo`): mostly requests on persistent
//! connections, and some of everything else that users do. Every answer is checked, and gatefold must exit with 0, because
//! an instrumented binary writes its profile when it exits.

mod backends;
mod clients;
mod manifests;
mod requests;

use crate::process::{MeasuredServer, THREADS};
use crate::scratch::Scratch;
use crate::support::DEADLINE;
use crate::support::client::Client;
use crate::support::grpc::GrpcClient;
use crate::support::load::connection::{ClientKind, LoadTarget};
use crate::support::load::{Answers200, Plan};
use crate::support::network::{free_port, own_address};
use crate::support::tls::Authority;
use anyhow::{bail, ensure};
use backends::TrainingBackends;
use clients::Work;
use manifests::HOST;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEPT: [ClientKind; 4] = [
    ClientKind::Kept,
    ClientKind::TlsKept,
    ClientKind::Http2,
    ClientKind::TlsHttp2,
];
/// Rounds of gRPC calls on a connection.
const CALL_ROUNDS: usize = 150;
/// The interval of the probe that waits for an edit.
const PROBE: Duration = Duration::from_millis(1);

/// The environment of a training.
struct Training {
    authority: Authority,
    folder: Scratch,
}

/// A gatefold in training.
struct Trainee {
    server: MeasuredServer,
    admin: SocketAddr,
}

/// Trains a binary.
///
/// # Errors
/// If something can't be started, an answer isn't the expected one, or gatefold does not exit with 0.
pub fn train(gatefold: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    let authority = Authority::new();
    let training = Training {
        folder: Scratch::new()?,
        authority,
    };
    let backends = TrainingBackends::start(&training.authority)?;
    manifests::write(training.folder.path(), &backends, &training.authority)?;

    let trainee = training.start(gatefold, &[])?;
    training.serve(&trainee)?;
    training.reload(&trainee)?;
    phase("admin API", || clients::administrate(trainee.admin, 100))?;
    commands(gatefold, training.folder.path(), trainee.admin)?;
    trainee.server.terminate()?;

    let logging = training.start(gatefold, &["--access-log"])?;
    let ordinary: Arc<[_]> = requests::ordinary().into();
    for kind in [ClientKind::Kept, ClientKind::TlsHttp2] {
        phase("access log", || {
            clients::send(kind, &logging.server.target, &ordinary, work(16, 300))
        })?;
    }
    logging.server.terminate()?;
    println!("{:>9.1?}  in total", began.elapsed());
    Ok(())
}

fn work(clients: usize, requests: usize) -> Work {
    Work { clients, requests }
}

/// Runs a phase, and prints its number of requests and its time.
fn phase(name: &str, work: impl FnOnce() -> anyhow::Result<usize>) -> anyhow::Result<()> {
    let began = Instant::now();
    let count = work().map_err(|error| error.context(name.to_owned()))?;
    println!("{:>9.1?}  {count:>7} {name}", began.elapsed());
    Ok(())
}

impl Training {
    fn start(&self, gatefold: &Path, extra: &[&str]) -> anyhow::Result<Trainee> {
        let address = own_address();
        let port = || SocketAddr::new(address, free_port(address));
        let admin = port();
        let target = LoadTarget {
            plain: port(),
            tls: port(),
            host: HOST.to_owned(),
            trust: Some(self.authority.trust()),
        };
        let map = format!("80={},443={}", target.plain.port(), target.tls.port());
        let mut command = Command::new(gatefold);
        command
            .args(["run", "--config-dir"])
            .arg(self.folder.path())
            .args(["--admin", &admin.to_string()])
            .args(["--address", &address.to_string(), "--port-map", &map])
            .args(["--threads", &THREADS.to_string()])
            .args(extra);
        let mut server = MeasuredServer::spawn(&mut command, target)?;
        server.wait_for(server.target.plain)?;
        server.wait_for(server.target.tls)?;
        Ok(Trainee { server, admin })
    }

    /// The phases with requests.
    fn serve(&self, trainee: &Trainee) -> anyhow::Result<()> {
        let target = &trainee.server.target;
        let ordinary: Arc<[_]> = requests::ordinary().into();
        let features: Arc<[_]> = requests::features().into();
        let transfers: Arc<[_]> = requests::transfers().into();
        let many: Arc<[_]> = requests::many().into();
        let errors: Arc<[_]> = requests::errors().into();
        for kind in KEPT {
            phase(&format!("ordinary requests, {kind:?}"), || {
                clients::send(kind, target, &ordinary, work(32, 600))
            })?;
            phase("requests for features of routes", || {
                clients::send(kind, target, &features, work(16, 150))
            })?;
            phase("requests for one of many rules", || {
                clients::send(kind, target, &many, work(16, 150))
            })?;
            phase("uploads and answers of several sizes", || {
                clients::send(kind, target, &transfers, work(4, 48))
            })?;
            phase("errors", || {
                clients::send(kind, target, &errors, work(8, 27))
            })?;
        }
        for kind in [ClientKind::Http2, ClientKind::TlsHttp2] {
            phase(&format!("concurrent streams, {kind:?}"), || {
                clients::multiplex(kind, target, &ordinary, 4, work(16, 150))
            })?;
        }
        for kind in [ClientKind::Fresh, ClientKind::TlsFresh] {
            phase(&format!("fresh connections, {kind:?}"), || {
                clients::send(kind, target, &ordinary, work(16, 125))
            })?;
        }
        self.streams(target)
    }

    /// The phases with other protocols, and with clients that break them.
    fn streams(&self, target: &LoadTarget) -> anyhow::Result<()> {
        phase("handshakes with sessions", || {
            clients::resume(target, &self.authority, 300)
        })?;
        phase("WebSocket messages", || clients::chat(target, 100, 30))?;
        phase("gRPC calls", || {
            clients::call(&mut GrpcClient::connect(target.plain), CALL_ROUNDS)
        })?;
        phase("gRPC calls in TLS", || {
            let mut client = GrpcClient::connect_tls(target.tls, &self.authority, HOST);
            clients::call(&mut client, CALL_ROUNDS)
        })?;
        phase("clients that disappear", || clients::disappear(target, 50))?;
        phase("malformed requests", || clients::misbehave(target, 25))
    }

    /// Edits, adds, breaks and removes files under load.
    fn reload(&self, trainee: &Trainee) -> anyhow::Result<()> {
        let target = &trainee.server.target;
        let load = Plan::to(target.clone()).every_kind().start(Answers200);
        phase("edits of a route under load", || {
            let edits = 60;
            for edit in 1..=edits {
                self.write("edited.yaml", &manifests::edited(edit))?;
                let wanted = edit.to_string();
                wait_for(target, |status, field| {
                    status == 200 && field == Some(&wanted)
                })?;
            }
            Ok(edits)
        })?;
        phase("removals of a route under load", || {
            let removals = 10;
            for removal in 1..=removals {
                fs::remove_file(self.folder.path().join("edited.yaml"))?;
                self.write("broken.yaml", "kind: [HTTPRoute\n")?;
                wait_for(target, |_, field| field.is_none())?;
                self.write("edited.yaml", &manifests::edited(removal))?;
                fs::remove_file(self.folder.path().join("broken.yaml"))?;
                wait_for(target, |_, field| field.is_some())?;
            }
            Ok(removals)
        })?;
        load.finish();
        Ok(())
    }

    /// Writes a file by renaming it into place.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let temporary = self.folder.path().join(format!(".{name}"));
        fs::write(&temporary, text)?;
        Ok(fs::rename(temporary, self.folder.path().join(name))?)
    }
}

/// Waits until the edited route answers as wanted, by the status and the header field that it sets.
fn wait_for(target: &LoadTarget, wanted: impl Fn(u16, Option<&str>) -> bool) -> anyhow::Result<()> {
    let end = Instant::now() + DEADLINE;
    let mut probe = Client::connect(target.plain)?;
    loop {
        let answer = probe.get(HOST, "/edited", &[])?;
        if wanted(answer.status, answer.header("x-edit")) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("an edit has no effect after {DEADLINE:?}");
        }
        std::thread::sleep(PROBE);
    }
}

/// Runs the commands beside `run` that read the manifests or ask the daemon.
fn commands(gatefold: &Path, folder: &Path, admin: SocketAddr) -> anyhow::Result<()> {
    let folder = folder.display().to_string();
    let admin = admin.to_string();
    // The backend of one route is missing, which `check` reports.
    let commands: [(&[&str], i32); 4] = [
        (&["version"], 0),
        (&["check", &folder], 1),
        (&["health", "--admin", &admin], 0),
        (&["get", "httproutes", "--admin", &admin], 0),
    ];
    phase("commands", || {
        for (arguments, code) in commands {
            let mut command = Command::new(gatefold);
            command
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let status = command.status()?;
            ensure!(
                status.code() == Some(code),
                "gatefold {}: {status}",
                arguments.join(" ")
            );
        }
        Ok(commands.len())
    })
}
