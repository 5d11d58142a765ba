//! gatefold beside nginx, HAProxy, Envoy, Caddy and a bare Pingora proxy, each with one thread on one core.
//!
//! All servers run at the same time and are measured in turns, each round beginning with another one, so that other load on the
//! machine affects all of them equally. The load generator and the backend run on the other cores.

mod client;
mod closed_loop;
mod open_loop;
mod options;
pub mod program;
mod report;
pub mod token;

pub use options::PeersOptions;

use crate::cores::Cores;
use crate::process::{MeasuredServer, Run};
use crate::subjects::{Scene, Subject};
use crate::support::load::ClientKind;
use client::{ClientTls, PeerClients};
use report::{MemoryUse, PeerRounds};
use std::path::PathBuf;
use std::sync::Arc;

/// A running server.
struct Peer {
    name: String,
    server: Arc<MeasuredServer>,
}

/// Prints the figures.
///
/// # Errors
/// If something can't be started, or a request fails.
pub fn measure(gatefold: PathBuf, options: &PeersOptions) -> anyhow::Result<()> {
    let cores = Cores::divide()?;
    report::introduction(options, cores.limit_this_process()?);
    let mut scene = Scene::prepare(gatefold)?;
    if options.token {
        scene.require_token()?;
    }
    let peers = start(&scene, options, cores.server)?;
    let idle = memory(&peers)?;
    let clients = PeerClients {
        tls: ClientTls::new(scene.authority())?,
        token: scene.token().map(Arc::from),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for &kind in &options.clients {
        let rounds = runtime.block_on(rounds(&peers, kind, &clients, options))?;
        report::table(kind, &peers, &rounds);
    }
    report::memory(&peers, &idle, &memory(&peers)?);
    Ok(())
}

/// Starts all servers that are installed.
fn start(scene: &Scene, options: &PeersOptions, core: usize) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for &subject in &options.subjects {
        let mut name = subject.name().to_owned();
        if let Subject::Other(program) = subject {
            let Some(binary) = program.find() else {
                println!("{name} is not installed, and is left out");
                continue;
            };
            let version = program.version(&binary).unwrap_or_default();
            name = format!("{name} {version}");
        }
        peers.push(Peer {
            name,
            server: Arc::new(scene.start(subject, Run::OneCore(core))?),
        });
    }
    Ok(peers)
}

fn memory(peers: &[Peer]) -> anyhow::Result<Vec<MemoryUse>> {
    let all = peers.iter().map(|peer| peer.server.memory());
    all.collect()
}

/// Measures all servers with one kind of client.
async fn rounds(
    peers: &[Peer],
    kind: ClientKind,
    clients: &PeerClients,
    options: &PeersOptions,
) -> anyhow::Result<PeerRounds> {
    let mut rounds = PeerRounds::new(peers.len());
    for round in 0..options.rounds {
        for at in (0..peers.len()).map(|at| (at + round) % peers.len()) {
            let server = &peers[at].server;
            let turn = closed_loop::turn(server, kind, clients, options.turn).await?;
            rounds.closed[at].push(turn);
        }
        // A planned start says little about a client that connects first.
        if options.rate == 0 || kind.is_fresh() {
            continue;
        }
        for at in (0..peers.len()).map(|at| (at + round) % peers.len()) {
            let server = &peers[at].server;
            let turn = open_loop::turn(server, kind, clients, options.rate, options.turn).await?;
            rounds.open[at].push(turn);
        }
    }
    Ok(rounds)
}
