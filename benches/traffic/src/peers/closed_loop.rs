//! The closed loop: each client sends its next request when the previous one is answered, so the server is asked for as much as
//! it can do.

use super::client::{PeerClients, PeerConnection};
use crate::figures::quantile;
use crate::process::MeasuredServer;
use crate::support::load::ClientKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The number of clients.
pub const CLIENTS: usize = 32;

/// The result of a turn.
#[derive(Clone, Copy)]
pub struct ClosedTurn {
    /// Processor time of a request, in microseconds.
    pub cost: f64,
    /// Requests per second.
    pub rate: f64,
    /// The share of the core that the server has used. If it is far below 1, the load generator limits the rate.
    pub busy: f64,
    /// The 99th percentile of the time from a request to the end of its answer, in milliseconds.
    pub p99: f64,
}

/// Measures one server for some time.
///
/// # Errors
/// If a request fails.
pub async fn turn(
    server: &Arc<MeasuredServer>,
    kind: ClientKind,
    settings: &PeerClients,
    length: Duration,
) -> anyhow::Result<ClosedTurn> {
    let mut connections = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut connection = PeerConnection::open(kind, server, settings).await?;
        // Excludes the additional cost of the first request of a connection.
        connection.ask().await?;
        connections.push(connection);
    }
    let before = server.processor_time()?;
    let began = Instant::now();
    let clients = connections.into_iter().map(|connection| {
        let (server, settings) = (server.clone(), settings.clone());
        tokio::spawn(async move {
            let mut client = LoopClient {
                kind,
                server,
                settings,
                connection,
            };
            let mut times = Vec::new();
            while began.elapsed() < length {
                times.push(client.ask().await?.as_secs_f64() * 1e3);
            }
            // The connection is closed after the measurement.
            anyhow::Ok((times, client))
        })
    });
    let clients: Vec<_> = clients.collect();
    let (mut times, mut kept) = (Vec::new(), Vec::with_capacity(CLIENTS));
    for client in clients {
        let (some, client) = client.await??;
        times.extend(some);
        kept.push(client);
    }
    let took = began.elapsed().as_secs_f64();
    let used = server.processor_time()?.since(&before);
    let requests = times.len() as f64;
    Ok(ClosedTurn {
        cost: used * 1e6 / requests,
        rate: requests / took,
        busy: used / took,
        p99: quantile(&times, 0.99),
    })
}

struct LoopClient {
    kind: ClientKind,
    server: Arc<MeasuredServer>,
    settings: PeerClients,
    connection: PeerConnection,
}

impl LoopClient {
    /// Sends one request, on a new connection if the kind of client says so. Returns how long it took.
    async fn ask(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        if self.kind.is_fresh() {
            self.connection = PeerConnection::open(self.kind, &self.server, &self.settings).await?;
        }
        self.connection.ask().await?;
        Ok(began.elapsed())
    }
}
