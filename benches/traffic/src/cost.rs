//! The processor time of a request, beside bare Pingora proxies: all of them run, and take turns.

use crate::backend;
use crate::figures::median;
use crate::process::{Server, THREADS};
use crate::proxies::Orders;
use crate::scratch::Scratch;
use crate::support::load::connection::Connection;
use crate::support::load::trouble::Trouble;
use crate::support::load::{Kind, Target};
use crate::support::manifests::{endpoint_slice, gateway_with, route, service};
use crate::support::network::{free_port, own_address};
use crate::support::tls::{Authority, secret};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

const HOST: &str = "www.example.com";
/// Clients, each asking again as soon as it is answered.
const CLIENTS: usize = 32;
/// How long each turn is, and how many each server has for a kind of client.
const TURN: Duration = Duration::from_secs(2);
const ROUNDS: usize = 9;
const KINDS: [(Kind, &str); 4] = [
    (Kind::Kept, "HTTP/1.1"),
    (Kind::TlsKept, "HTTP/1.1 in TLS"),
    (Kind::Http2, "HTTP/2"),
    (Kind::TlsHttp2, "HTTP/2 in TLS"),
];
/// The servers, the one that the others are compared with first.
const SERVERS: [&str; 3] = [
    "a bare proxy under Pingora's Service",
    "the same under gatefold's sockets",
    "gatefold, with a route",
];

/// One turn's outcome.
#[derive(Clone, Copy)]
struct Turn {
    /// Processor time of a request, in microseconds.
    cost: f64,
    /// Requests a second.
    rate: f64,
}

/// Prints the figures.
///
/// # Errors
/// When something can't be started, or a request fails.
pub fn measure(gatefold: &Path) -> anyhow::Result<()> {
    println!(
        "Processor time of a request: {CLIENTS} clients on kept connections, answers of 1 KiB, {THREADS} threads,\n\
         {ROUNDS} rounds of {TURN:?} in turns; the middle of each, and of the ratios to the first in the same round"
    );
    let authority = Authority::new();
    let folder = Scratch::new()?;
    let backend = backend::start()?;
    let orders = prepare(folder.path(), &authority, backend)?;
    let servers = start(gatefold, &orders, &authority)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (kind, name) in KINDS {
        println!("\n{name}");
        let mut rounds = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let mut turns = vec![None; servers.len()];
            // Each round begins with another one: what the machine does besides hits all alike.
            for at in (0..servers.len()).map(|at| (at + round) % servers.len()) {
                turns[at] = Some(runtime.block_on(turn(&servers[at], kind))?);
            }
            rounds.push(turns.into_iter().flatten().collect::<Vec<_>>());
        }
        for (at, server) in SERVERS.iter().enumerate() {
            let all = |figure: fn(&[Turn], usize) -> f64| {
                median(
                    &rounds
                        .iter()
                        .map(|turns| figure(turns, at))
                        .collect::<Vec<_>>(),
                )
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

/// What the servers serve, in a folder.
fn prepare(folder: &Path, authority: &Authority, backend: SocketAddr) -> anyhow::Result<Orders> {
    let pair = authority.issue(HOST);
    let listeners = "    - {name: http, protocol: HTTP, port: 80}
    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";
    let documents = [
        gateway_with(listeners),
        route("one", HOST),
        service("one"),
        endpoint_slice("one", backend),
        secret("cert", &pair.certificate, &pair.key),
    ];
    fs::write(folder.join("manifests.yaml"), documents.join("---\n"))?;
    fs::write(folder.join("cert.pem"), &pair.certificate)?;
    fs::write(folder.join("key.pem"), &pair.key)?;
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(Orders {
        plain: nowhere,
        tls: nowhere,
        backend,
        folder: folder.to_owned(),
    })
}

fn start(gatefold: &Path, orders: &Orders, authority: &Authority) -> anyhow::Result<Vec<Server>> {
    let mut servers = Vec::new();
    for kind in ["pingora", "sockets"] {
        let ip = own_address();
        let port = || SocketAddr::new(ip, free_port(ip));
        let (plain, tls) = (port(), port());
        let folder = orders.folder.clone();
        let orders = Orders {
            plain,
            tls,
            backend: orders.backend,
            folder,
        };
        orders.write()?;
        let target = target(plain, tls, authority);
        servers.push(Server::own(kind, &orders.folder, target)?);
    }
    let target = target(orders.plain, orders.tls, authority);
    servers.push(Server::gatefold(gatefold, &orders.folder, target)?);
    Ok(servers)
}

fn target(plain: SocketAddr, tls: SocketAddr, authority: &Authority) -> Target {
    Target {
        plain,
        tls,
        host: HOST.to_owned(),
        trust: Some(authority.trust()),
    }
}

/// Clients ask one server as fast as it answers.
async fn turn(server: &Server, kind: Kind) -> anyhow::Result<Turn> {
    let mut connections = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut connection = Connection::open(kind, &server.target).await?;
        // What a connection's first request costs besides isn't measured.
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
            Ok::<_, Trouble>((requests, connection))
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
    let (took, used) = (began.elapsed(), server.processor_time()? - before);
    Ok(Turn {
        cost: used * 1e6 / requests as f64,
        rate: requests as f64 / took.as_secs_f64(),
    })
}

async fn ask(connection: &mut Connection) -> Result<(), Trouble> {
    let answer = connection.get(HOST, "/", "cost").await?;
    match answer.status {
        200 => Ok(()),
        status => Err(Trouble::Wrong(format!("status {status}"))),
    }
}
