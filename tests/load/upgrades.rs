//! Upgrades under load.

use super::generations::NumberedGenerations;
use super::many_listeners::{PORTS, forty, map_forty};
use crate::support::daemon::Daemon;
use crate::support::load::{ClientKind, ServerLifetime};
use crate::support::manifests::gateway_with;

/// No connection is refused or cut. The old process announces the last answer of a connection with `Connection: close`.
#[test]
fn twenty_upgrades_with_forty_listeners_fail_no_request() {
    const UPGRADES: usize = 20;
    let generations = NumberedGenerations::new();
    generations
        .folder
        .write("gateway.yaml", gateway_with(&forty()));
    let daemon = map_forty(Daemon::of(&generations.folder).upgradable()).start();
    let plan = generations.plan(&daemon).server(ServerLifetime::IsReplaced);
    let load = plan.every_kind().start(generations.judge());
    let plan = generations.plan_at(daemon.socket(PORTS.end - 1), &daemon);
    let plan = plan
        .server(ServerLifetime::IsReplaced)
        .clients(ClientKind::Fresh, 2)
        .clients(ClientKind::Kept, 2);
    let other_port = plan.start(generations.judge());
    for upgrade in 1..=UPGRADES {
        for load in [&load, &other_port] {
            load.changed(format!("upgrade {upgrade} began"));
        }
        daemon.upgrade();
        daemon.wait_for_former();
        let next = generations.write_next(&load);
        generations.wait_for(next, &mut daemon.connect());
        load.check();
        other_port.check();
    }
    println!("{}{}", load.finish(), other_port.finish());
}
