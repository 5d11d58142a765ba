//! Many listeners.

use super::generations::{LISTENERS, NumberedGenerations};
use crate::support::client::try_get;
use crate::support::daemon::{Daemon, Start};
use crate::support::eventually;
use crate::support::manifests::{condition, gateway_with};
use serde_json::Value;
use std::net::TcpListener;
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// 38 ports in addition to 80 and 443.
pub const PORTS: Range<u16> = 8000..8038;

/// The listeners on ports 80 and 443, and one for each of [`PORTS`].
pub fn forty() -> String {
    let more = PORTS.map(|port| format!("    - {{name: p{port}, protocol: HTTP, port: {port}}}\n"));
    LISTENERS.to_owned() + &more.collect::<String>()
}

/// Maps [`PORTS`] to free ports.
pub fn map_forty(start: Start<'_>) -> Start<'_> {
    PORTS.fold(start, Start::port)
}

fn serves(daemon: &Daemon, port: u16) -> bool {
    try_get(daemon.socket(port), super::generations::HOST, "/")
        .is_ok_and(|answer| answer.status == 200)
}

fn programmed(daemon: &Daemon, listener: &str) -> Value {
    let object = daemon.object("gateways", "default", "edge");
    let listeners = object["status"]["listeners"].as_array();
    let found = listeners.and_then(|all| all.iter().find(|one| one["name"] == listener));
    condition(found.expect("the listener's status"), "Programmed").clone()
}

#[test]
fn three_of_forty_listeners_that_cannot_bind_do_not_affect_the_others() {
    const TAKEN: [u16; 3] = [8000, 8019, 8037];
    let generations = NumberedGenerations::new();
    let daemon = map_forty(Daemon::of(&generations.folder)).start();
    let load = generations.load(&daemon);
    let blockers = TAKEN.map(|port| TcpListener::bind(daemon.socket(port)).expect("a free port"));
    generations
        .folder
        .write("gateway.yaml", gateway_with(&forty()));
    load.changed("38 listeners were added");
    for port in PORTS.filter(|port| !TAKEN.contains(port)) {
        eventually(&format!("port {port} serves"), || {
            serves(&daemon, port).then_some(())
        });
    }
    for port in TAKEN {
        let condition = eventually("the failure is reported", || {
            let condition = programmed(&daemon, &format!("p{port}"));
            (condition["status"] == "False").then_some(condition)
        });
        let message = condition["message"].as_str().unwrap_or_default();
        let socket = daemon.socket(port).to_string();
        assert!(
            message.contains(&socket),
            "the message must contain {socket}: {message}"
        );
    }
    // Long enough for the pause between two bind attempts to exceed the interval of the file scans.
    thread::sleep(Duration::from_secs(4));
    load.changed("the three ports were freed");
    drop(blockers);
    for port in TAKEN {
        eventually(&format!("port {port} serves once it is free"), || {
            serves(&daemon, port).then_some(())
        });
        eventually("the status is updated", || {
            (programmed(&daemon, &format!("p{port}"))["status"] == "True").then_some(())
        });
    }
    println!("{}", load.finish());
}
