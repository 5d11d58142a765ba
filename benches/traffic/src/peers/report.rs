//! The printed tables: medians of all rounds, and median ratios to the first server in the same round.

use super::closed_loop::{CLIENTS, ClosedTurn};
use super::open_loop::OpenTurn;
use super::{Peer, PeersOptions};
use crate::figures::median;
use crate::support::load::ClientKind;

/// Memory in bytes.
pub type MemoryUse = u64;

/// The turns of each server.
pub struct PeerRounds {
    pub closed: Vec<Vec<ClosedTurn>>,
    pub open: Vec<Vec<OpenTurn>>,
}

impl PeerRounds {
    /// Creates the rounds of this number of servers, without turns.
    pub fn new(servers: usize) -> Self {
        PeerRounds {
            closed: vec![Vec::new(); servers],
            open: vec![Vec::new(); servers],
        }
    }
}

/// Prints what is measured. `alone` says whether the servers have a core to themselves.
pub fn introduction(options: &PeersOptions, alone: bool) {
    let PeersOptions {
        rounds, turn, rate, ..
    } = options;
    println!(
        "One thread on one core each, answers of 1 KiB; {rounds} rounds with turns of {turn:?} (medians, and median ratios to\n\
         the first server in the same round). Closed loop: {CLIENTS} clients. Open loop: {rate} requests per second on {CLIENTS}\n\
         connections, timed from the planned start; `late` is the load generator's own share of the 99th percentile.\n\
         `busy` is the share of the core in use: far below 1, the load generator limits the rate."
    );
    if !alone {
        println!("This machine has one core: the load generator shares it with the servers.");
    }
}

/// Prints the table of one kind of client.
pub fn table(kind: ClientKind, peers: &[Peer], rounds: &PeerRounds) {
    println!("\n{}", title(kind));
    print!(
        "    {:<38} {:>8} {:>6} {:>8} {:>5} {:>7}",
        "", "us each", "ratio", "per s", "busy", "p99 ms"
    );
    let open = rounds.open.iter().any(|turns| !turns.is_empty());
    if open {
        print!(
            " | {:>7} {:>7} {:>7} {:>6}",
            "p50 ms", "p99", "p99.9", "late"
        );
    }
    println!();
    for (at, peer) in peers.iter().enumerate() {
        let closed = |figure: fn(&ClosedTurn) -> f64| median_of(&rounds.closed[at], figure);
        print!(
            "    {:<38} {:>8.1} {:>6.2} {:>8.0} {:>5.2} {:>7.2}",
            peer.name,
            closed(|turn| turn.cost),
            ratio(&rounds.closed[at], &rounds.closed[0]),
            closed(|turn| turn.rate),
            closed(|turn| turn.busy),
            closed(|turn| turn.p99),
        );
        if open {
            let open = |figure: fn(&OpenTurn) -> f64| median_of(&rounds.open[at], figure);
            print!(
                " | {:>7.2} {:>7.2} {:>7.2} {:>6.2}",
                open(|turn| turn.p50),
                open(|turn| turn.p99),
                open(|turn| turn.p999),
                open(|turn| turn.late),
            );
        }
        println!();
    }
}

/// Prints the memory of each server before and after all requests.
pub fn memory(peers: &[Peer], idle: &[MemoryUse], after: &[MemoryUse]) {
    println!("\nMemory (proportional set size of all processes of a server), in MB");
    println!("    {:<38} {:>8} {:>8}", "", "started", "loaded");
    for ((peer, idle), after) in peers.iter().zip(idle).zip(after) {
        let [idle, after] = [idle, after].map(|bytes| *bytes as f64 / 1e6);
        println!("    {:<38} {idle:>8.1} {after:>8.1}", peer.name);
    }
}

fn title(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::Kept => "HTTP/1.1",
        ClientKind::Fresh => "HTTP/1.1, a connection for each request",
        ClientKind::Http2 => "HTTP/2",
        ClientKind::TlsKept => "HTTP/1.1 in TLS",
        ClientKind::TlsFresh => "HTTP/1.1 in TLS, a full handshake for each request",
        ClientKind::TlsHttp2 => "HTTP/2 in TLS",
    }
}

fn median_of<T>(turns: &[T], figure: fn(&T) -> f64) -> f64 {
    median(&turns.iter().map(figure).collect::<Vec<_>>())
}

/// The median ratio of the costs in the same round.
fn ratio(turns: &[ClosedTurn], first: &[ClosedTurn]) -> f64 {
    let ratios = turns.iter().zip(first);
    median(
        &ratios
            .map(|(turn, first)| turn.cost / first.cost)
            .collect::<Vec<_>>(),
    )
}
