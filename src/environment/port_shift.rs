//! Replaces ports that this process may not bind (`--port-map auto`).

use gatefold_manifest::Resources;
use rustix::process::geteuid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What is added to a port that the process may not bind: 80 becomes 8080, and 443 becomes 8443.
const SHIFT: u16 = 8000;
/// The capability to bind privileged ports, `CAP_NET_BIND_SERVICE` (capabilities(7)), as a bit of `CapEff`.
const NET_BIND_SERVICE: u64 = 1 << 10;

/// The first port that this process may bind: 0 if it may bind all of them.
pub(crate) fn first_bindable() -> u16 {
    let status = fs::read_to_string("/proc/self/status").ok();
    let is_privileged = status.map_or(geteuid().is_root(), |status| has_capability(&status));
    if is_privileged {
        return 0;
    }
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    let first = first.and_then(|text| text.trim().parse().ok());
    first.unwrap_or(1024)
}

/// Whether the effective capabilities of `/proc/PID/status` permit binding privileged ports.
fn has_capability(status: &str) -> bool {
    let mut lines = status.lines();
    let effective = lines.find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    effective.is_some_and(|bits| bits & NET_BIND_SERVICE != 0)
}

/// Returns the port to bind for each port of a listener that is below `first_bindable` and isn't in `given`: the port that is
/// [`SHIFT`] higher, or more if a listener or `given` has that port.
pub(crate) fn shifted(
    resources: &Resources,
    given: &BTreeMap<u16, u16>,
    first_bindable: u16,
) -> BTreeMap<u16, u16> {
    let gateways = resources.gateways.values();
    let own = gateways.flat_map(|gateway| &gateway.spec.listeners);
    let sets = resources.listener_sets.values();
    let of_sets = sets.flat_map(|set| &set.spec.listeners);
    let ports: BTreeSet<u16> = own.chain(of_sets).map(|it| it.port.get()).collect();
    let mut map = given.clone();
    for port in ports.iter().filter(|port| **port < first_bindable) {
        let candidates = (1..).map_while(|step: u16| SHIFT.checked_mul(step)?.checked_add(*port));
        let is_taken = |it: &u16| ports.contains(it) || given.values().any(|given| given == it);
        let mut free = candidates.filter(|it| *it >= first_bindable && !is_taken(it));
        if let Some(free) = free.next() {
            map.entry(*port).or_insert(free);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::Loader;

    fn ports(listed: &[u16]) -> Resources {
        let listeners = listed
            .iter()
            .map(|port| format!("    - {{name: p{port}, protocol: HTTP, port: {port}}}\n"));
        let listeners: String = listeners.collect();
        let gateway = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: web}}\nspec:\n  gatewayClassName: gatefold\n  listeners:\n{listeners}"
        );
        Loader::from_text("gateway.yaml", gateway).resources
    }

    #[test]
    fn shifts_only_ports_that_cannot_be_bound_and_avoids_those_of_listeners() {
        let given = BTreeMap::from([(81, 9081)]);
        let shifted = |first| shifted(&ports(&[80, 81, 443, 3000, 8443]), &given, first);
        assert_eq!(shifted(0), given);
        let expected = BTreeMap::from([(80, 8080), (81, 9081), (443, 16443)]);
        assert_eq!(shifted(1024), expected);
    }

    #[test]
    fn avoids_the_ports_of_the_port_map() {
        let given = BTreeMap::from([(3000, 8080)]);
        let expected = BTreeMap::from([(80, 16080), (3000, 8080)]);
        assert_eq!(shifted(&ports(&[80, 3000]), &given, 1024), expected);
    }

    #[test]
    fn reads_capabilities_of_a_process() {
        let status = |bits: &str| format!("Name:\tgatefold\nCapEff:\t{bits}\nCapBnd:\t0\n");
        assert!(has_capability(&status("0000000000000400")));
        assert!(has_capability(&status("000001ffffffffff")));
        assert!(!has_capability(&status("0000000000000000")));
        assert!(!has_capability(""));
    }
}
