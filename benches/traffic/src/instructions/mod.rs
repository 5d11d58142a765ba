//! The number of instructions of a request, counted by callgrind. Unlike processor time, it does not depend on other load on
//! the machine.
//!
//! Each server runs twice and answers more requests the second time. The difference between the two counts is the cost of
//! the additional requests, without start-up and shutdown.

mod callgrind;

use crate::process::{MeasuredServer, Run};
use crate::subjects::{Scene, Subject, ask};
use crate::support::load::ClientKind;
use crate::support::load::connection::LoadConnection;
use anyhow::Context as _;
use callgrind::{Instructions, instructions};
use std::fs;
use std::path::PathBuf;

/// The number of requests in the two runs. The first requests fill pools and caches.
const FEW: u64 = 300;
const MANY: u64 = 1_300;
const SUBJECTS: [Subject; 2] = [Subject::Pingora, Subject::Gatefold];
const KINDS: [(ClientKind, &str); 4] = [
    (ClientKind::Kept, "HTTP/1.1"),
    (ClientKind::TlsKept, "HTTP/1.1 in TLS"),
    (ClientKind::Http2, "HTTP/2"),
    (ClientKind::TlsHttp2, "HTTP/2 in TLS"),
];

/// Prints the figures.
///
/// # Errors
/// If valgrind is missing, something can't be started, or a request fails.
pub fn measure(gatefold: PathBuf) -> anyhow::Result<()> {
    println!(
        "Instructions of a request, counted by callgrind: one client on a persistent connection, answers of 1 KiB,\n\
         difference of {MANY} and {FEW} requests, and ratio to the first server; below it, whose instructions they are"
    );
    let scene = Scene::prepare(gatefold)?;
    for (kind, name) in KINDS {
        println!("\n{name}");
        let mut first = None;
        for subject in SUBJECTS {
            let count = |requests| -> anyhow::Result<Instructions> {
                let output = scene.folder().path().join("callgrind.out");
                let server = scene.start(subject, Run::Callgrind(&output))?;
                requests_of_one_client(&server, kind, requests)?;
                server.interrupt()?;
                Ok(instructions(
                    &fs::read_to_string(&output).context("callgrind has written nothing")?,
                ))
            };
            let (few, many) = (count(FEW)?, count(MANY)?);
            let each = of_a_request(few.values().sum(), many.values().sum());
            let ratio = each / *first.get_or_insert(each);
            println!("    {:<38} {each:>8.0}  x {ratio:.3}", subject.name());
            for (origin, many) in many {
                let few = few.get(&origin).copied().unwrap_or_default();
                let part = of_a_request(few, many);
                let share = part / each * 100.0;
                println!("        {:<34} {part:>8.0}  {share:>4.1} %", origin.name());
            }
        }
    }
    Ok(())
}

fn requests_of_one_client(
    server: &MeasuredServer,
    kind: ClientKind,
    requests: u64,
) -> anyhow::Result<()> {
    // Dropping the runtime ends the connection's task, so that the server does not wait for it when it ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = LoadConnection::open(kind, &server.target).await?;
        for _ in 0..requests {
            ask(&mut connection).await?;
        }
        Ok(())
    })
}

/// The instructions of a request, from those of the two runs.
fn of_a_request(few: u64, many: u64) -> f64 {
    many.saturating_sub(few) as f64 / (MANY - FEW) as f64
}
