//! The processor time of a request compared with bare Pingora proxies. All servers run at the same time and are measured in
//! turns.

use crate::figures::median;
use crate::process::{MeasuredServer, Run, THREADS};
use crate::subjects::{Scene, Subject, ask};
use crate::support::load::ClientKind;
use crate::support::load::connection::LoadConnection;
use crate::support::load::request_error::RequestError;
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

/// Prints the figures.
///
/// # Errors
/// If something can't be started, or a request fails.
pub fn measure(gatefold: PathBuf) -> anyhow::Result<()> {
    println!(
        "Processor time of a request: {CLIENTS} clients on persistent connections, answers of 1 KiB, {THREADS} threads,\n\
         {ROUNDS} rounds with turns of {TURN:?}; medians, and median ratios to the first server in the same round"
    );
    let scene = Scene::prepare(gatefold)?;
    let servers = SUBJECTS
        .map(|subject| scene.start(subject, Run::Plain))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (kind, name) in KINDS {
        println!("\n{name}");
        let mut rounds = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let mut turns = vec![None; servers.len()];
            // Each round begins with another server, so that other load on the machine affects all of them equally.
            for at in (0..servers.len()).map(|at| (at + round) % servers.len()) {
                turns[at] = Some(runtime.block_on(turn(&servers[at], kind))?);
            }
            rounds.push(turns.into_iter().flatten().collect::<Vec<_>>());
        }
        for (at, subject) in SUBJECTS.iter().enumerate() {
            let all = |figure: fn(&[Turn], usize) -> f64| {
                median(
                    &rounds
                        .iter()
                        .map(|turns| figure(turns, at))
                        .collect::<Vec<_>>(),
                )
            };
            println!(
                "    {:<38} {:>6.1} us  x {:.3}  at {:>6.0} requests/s",
                subject.name(),
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
        tokio::spawn(async move {
            let mut requests = 0_u64;
            while began.elapsed() < TURN {
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
