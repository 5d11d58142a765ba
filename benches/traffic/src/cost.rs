//! The processor time of a request, compared with bare Pingora proxies or with other builds of gatefold. All servers run at
//! the same time and are measured in turns.

use crate::figures::median;
use crate::process::{MeasuredServer, Run, THREADS};
use crate::subjects::{Scene, Subject, ask};
use crate::support::load::ClientKind;
use crate::support::load::connection::LoadConnection;
use crate::support::load::request_error::RequestError;
use anyhow::Context as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The number of clients. Each sends its next request when the previous one is answered.
const CLIENTS: usize = 32;
/// The length of a turn, and the number of turns of each server for each kind of client.
const TURN: Duration = Duration::from_secs(2);
const ROUNDS: usize = 9;
const KINDS: [(ClientKind, &str); 4] = [
    (ClientKind::Kept, "HTTP/1.1"),
    (ClientKind::TlsKept, "HTTP/1.1 in TLS"),
    (ClientKind::Http2, "HTTP/2"),
    (ClientKind::TlsHttp2, "HTTP/2 in TLS"),
];
/// Kinds of which each request includes connecting, and the handshake.
const FRESH_KINDS: [(ClientKind, &str); 2] = [
    (ClientKind::Fresh, "HTTP/1.1, a connection for each request"),
    (
        ClientKind::TlsFresh,
        "HTTP/1.1 in TLS, a handshake for each request",
    ),
];
/// The servers. The others are compared with the first one.
const SUBJECTS: [Subject; 3] = [Subject::Pingora, Subject::Sockets, Subject::Gatefold];

/// The result of a turn.
#[derive(Clone, Copy)]
struct Turn {
    /// Processor time of a request, in microseconds.
    cost: f64,
    /// Requests per second.
    rate: f64,
}

/// Prints the figures of gatefold and the bare proxies.
///
/// # Errors
/// If something can't be started, or a request fails.
pub fn measure(gatefold: PathBuf) -> anyhow::Result<()> {
    print_method();
    let scene = Scene::prepare(gatefold)?;
    let start = |subject: Subject| {
        let server = scene.start(subject, Run::Plain)?;
        Ok((subject.name().to_owned(), server))
    };
    let servers = SUBJECTS.into_iter().map(start);
    measure_in_turns(&servers.collect::<anyhow::Result<Vec<_>>>()?, &KINDS)
}

/// Prints the figures of several binaries of gatefold.
///
/// # Errors
/// If something can't be started, or a request fails.
pub fn compare(binaries: &[PathBuf]) -> anyhow::Result<()> {
    print_method();
    let first = binaries.first().context("there is no binary to compare")?;
    let scene = Scene::prepare(first.clone())?;
    let start = |binary: &PathBuf| Ok((binary.display().to_string(), scene.start_binary(binary)?));
    let servers = binaries.iter().map(start);
    let servers = servers.collect::<anyhow::Result<Vec<_>>>()?;
    println!("\nProportional set size after the start");
    for (name, server) in &servers {
        println!("    {name:<38} {:>6.1} MB", server.memory()? as f64 / 1e6);
    }
    measure_in_turns(&servers, &KINDS)?;
    measure_in_turns(&servers, &FRESH_KINDS)
}

fn print_method() {
    println!(
        "Processor time of a request: {CLIENTS} clients, on persistent connections unless said otherwise, answers of 1 KiB,\n\
         {THREADS} threads, {ROUNDS} rounds with turns of {TURN:?}; medians, and median ratios to the first server in the \
         same round"
    );
}

/// Measures the servers with each kind of client, and compares them with the first one.
fn measure_in_turns(
    servers: &[(String, MeasuredServer)],
    kinds: &[(ClientKind, &str)],
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (kind, name) in kinds {
        println!("\n{name}");
        let mut rounds = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let mut turns = vec![None; servers.len()];
            // Each round begins with another server, so that other load on the machine affects all of them equally.
            for at in (0..servers.len()).map(|at| (at + round) % servers.len()) {
                turns[at] = Some(runtime.block_on(turn(&servers[at].1, *kind))?);
            }
            rounds.push(turns.into_iter().flatten().collect::<Vec<_>>());
        }
        for (at, (server, _)) in servers.iter().enumerate() {
            let all = |figure: fn(&[Turn], usize) -> f64| {
                let figures = rounds.iter().map(|turns| figure(turns, at));
                median(&figures.collect::<Vec<_>>())
            };
            println!(
                "    {server:<38} {:>6.1} us  x {:.3}  at {:>6.0} requests/s",
                all(|turns, at| turns[at].cost),
                all(|turns, at| turns[at].cost / turns[0].cost),
                all(|turns, at| turns[at].rate),
            );
        }
    }
    Ok(())
}

/// Clients send requests to one server as fast as it answers.
async fn turn(server: &MeasuredServer, kind: ClientKind) -> anyhow::Result<Turn> {
    let mut connections = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut connection = LoadConnection::open(kind, &server.target).await?;
        // Excludes the additional cost of the first request of a connection.
        ask(&mut connection).await?;
        connections.push(connection);
    }
    let before = server.processor_time()?;
    let began = Instant::now();
    let clients = connections.into_iter().map(|mut connection| {
        let target = server.target.clone();
        tokio::spawn(async move {
            let mut requests = 0_u64;
            while began.elapsed() < TURN {
                if kind.is_fresh() {
                    connection = LoadConnection::open(kind, &target).await?;
                }
                ask(&mut connection).await?;
                requests += 1;
            }
            Ok::<_, RequestError>((requests, connection))
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut requests = 0;
    let mut kept = Vec::with_capacity(CLIENTS);
    for client in clients {
        let (count, connection) = client.await??;
        requests += count;
        kept.push(connection);
    }
    let (took, used) = (began.elapsed(), server.processor_time()?.since(&before));
    Ok(Turn {
        cost: used * 1e6 / requests as f64,
        rate: requests as f64 / took.as_secs_f64(),
    })
}
