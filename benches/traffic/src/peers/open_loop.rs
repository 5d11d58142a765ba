//! The open loop: requests are sent at planned times, whether or not earlier ones are answered. The time of a request runs from
//! the planned time, so a server that stalls pays for all requests that it delays.

use super::client::{PeerClients, PeerConnection};
use super::closed_loop::CLIENTS;
use crate::figures::quantile;
use crate::process::MeasuredServer;
use crate::support::load::ClientKind;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The result of a turn: times from the planned start of a request to the end of its answer, in milliseconds.
#[derive(Clone, Copy)]
pub struct OpenTurn {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// How late the load generator itself was: the 99th percentile of the time from the planned start until a client begins.
    /// Part of the above.
    pub late: f64,
}

/// The times of a request, in milliseconds.
struct Times {
    late: f64,
    whole: f64,
}

/// Sends requests to one server for some time, on persistent connections in turn.
///
/// # Errors
/// If a request fails.
pub async fn turn(
    server: &MeasuredServer,
    kind: ClientKind,
    settings: &PeerClients,
    rate: u32,
    length: Duration,
) -> anyhow::Result<OpenTurn> {
    let (mut starts, mut clients) = (Vec::new(), Vec::with_capacity(CLIENTS));
    for _ in 0..CLIENTS {
        let mut connection = PeerConnection::open(kind, server, settings).await?;
        connection.ask().await?;
        let (start, planned) = unbounded_channel();
        starts.push(start);
        clients.push(tokio::spawn(requests(connection, planned)));
    }
    let interval = Duration::from_secs(1) / rate.max(1);
    let count = (length.as_secs_f64() / interval.as_secs_f64()) as u32;
    // tokio's timers are exact to a millisecond only; a thread that sleeps is exact to a twentieth.
    let pacer = std::thread::spawn(move || pace(&starts, interval, count));
    let (mut times, mut kept) = (Vec::new(), Vec::with_capacity(CLIENTS));
    for client in clients {
        let (some, connection) = client.await??;
        times.extend(some);
        kept.push(connection);
    }
    // It has ended: the clients end when it drops its senders.
    let _ = pacer.join();
    let whole: Vec<_> = times.iter().map(|it| it.whole).collect();
    let late: Vec<_> = times.iter().map(|it| it.late).collect();
    Ok(OpenTurn {
        p50: quantile(&whole, 0.5),
        p99: quantile(&whole, 0.99),
        p999: quantile(&whole, 0.999),
        late: quantile(&late, 0.99),
    })
}

/// Starts a request at each planned time, at the clients in turn.
fn pace(starts: &[UnboundedSender<Instant>], interval: Duration, count: u32) {
    let began = Instant::now();
    for (number, start) in (0..count).zip(starts.iter().cycle()) {
        let planned = began + interval * number;
        std::thread::sleep(planned.saturating_duration_since(Instant::now()));
        // A client that has failed reports it.
        let _ = start.send(planned);
    }
}

async fn requests(
    mut connection: PeerConnection,
    mut planned: UnboundedReceiver<Instant>,
) -> anyhow::Result<(Vec<Times>, PeerConnection)> {
    let mut times = Vec::new();
    while let Some(planned) = planned.recv().await {
        let late = planned.elapsed();
        connection.ask().await?;
        times.push(Times {
            late: late.as_secs_f64() * 1e3,
            whole: planned.elapsed().as_secs_f64() * 1e3,
        });
    }
    Ok((times, connection))
}
