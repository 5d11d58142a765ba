//! Addresses of their own for Gateways, out of `--address-pool`.

use gatefold_manifest::Resources;
use gatefold_manifest::api::{Gateway, NamespacedName};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Hands out the addresses of a network. A Gateway keeps its addresses as long as it exists; those of one
/// that is gone are the last to be given away again.
#[derive(Debug)]
pub struct AddressPool {
    network: IpNet,
    assigned: BTreeMap<NamespacedName, Vec<IpAddr>>,
    /// The address given last: the search goes on behind it.
    last: Option<IpAddr>,
}

impl AddressPool {
    /// A pool of all host addresses of a network.
    pub fn new(network: IpNet) -> Self {
        AddressPool {
            network,
            assigned: BTreeMap::new(),
            last: None,
        }
    }

    /// The addresses of every Gateway that needs some: one for each of its `spec.addresses` of type IPAddress
    /// that has no value and no routability, or one when it has no `spec.addresses`. A Gateway for which the pool has too few gets
    /// those that are left. Addresses that a Gateway asks for by value are given to nobody else.
    pub fn assign(&mut self, resources: &Resources) -> BTreeMap<NamespacedName, Vec<IpAddr>> {
        let needs: BTreeMap<&NamespacedName, usize> = resources
            .gateways
            .iter()
            .map(|(name, gateway)| (name, needed(gateway)))
            .filter(|(_, count)| *count > 0)
            .collect();
        self.assigned.retain(|name, _| needs.contains_key(name));
        let mut taken: BTreeSet<IpAddr> =
            resources.gateways.values().flat_map(|g| asked(g)).collect();
        taken.extend(self.assigned.values().flatten());
        for (name, count) in needs {
            let mut addresses = self.assigned.remove(name).unwrap_or_default();
            addresses.truncate(count);
            while addresses.len() < count {
                let Some(free) = self.next_free(&taken) else {
                    break;
                };
                taken.insert(free);
                addresses.push(free);
            }
            self.assigned.insert(name.clone(), addresses);
        }
        let mut given = self.assigned.clone();
        given.retain(|_, addresses| !addresses.is_empty());
        given
    }

    fn next_free(&mut self, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        let behind = self.network.hosts().skip_while(|host| {
            // Hosts come in rising order.
            self.last.is_some_and(|last| *host <= last)
        });
        // At most one more than the taken ones have to be looked at before a free one is found.
        let free = behind
            .chain(self.network.hosts())
            .take(2 * (taken.len() + 1))
            .find(|host| !taken.contains(host));
        self.last = free.or(self.last);
        free
    }
}

fn needed(gateway: &Gateway) -> usize {
    let addresses = &gateway.spec.addresses;
    if addresses.is_empty() {
        return 1;
    }
    addresses.iter().filter(|address| address.is_any()).count()
}

fn asked(gateway: &Gateway) -> impl Iterator<Item = IpAddr> {
    let addresses = gateway.spec.addresses.iter();
    addresses.filter_map(|address| address.value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::Loader;

    fn gateways(specs: &[(&str, &str)]) -> Resources {
        let one = |(name, spec): &(&str, &str)| {
            format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\n\
                 spec: {{gatewayClassName: c, listeners: [{{name: http, port: 80, protocol: HTTP}}]{spec}}}\n"
            )
        };
        let text = specs.iter().map(one).collect::<Vec<_>>().join("---\n");
        let loaded = Loader::from_text("gateways.yaml", text);
        assert_eq!(loaded.diagnostics, []);
        loaded.resources
    }

    fn pool(network: &str) -> AddressPool {
        AddressPool::new(network.parse().expect("a network"))
    }

    fn of(given: &BTreeMap<NamespacedName, Vec<IpAddr>>, name: &str) -> Vec<String> {
        let addresses = given.get(&NamespacedName::new("default", name));
        let shown = addresses.into_iter().flatten();
        shown.map(IpAddr::to_string).collect()
    }

    #[test]
    fn a_gateway_keeps_its_address_as_long_as_it_exists() {
        let mut pool = pool("127.0.64.0/24");
        let given = pool.assign(&gateways(&[("a", ""), ("b", "")]));
        assert_eq!(of(&given, "a"), ["127.0.64.1"]);
        assert_eq!(of(&given, "b"), ["127.0.64.2"]);
        let given = pool.assign(&gateways(&[("b", ""), ("c", "")]));
        assert_eq!(of(&given, "b"), ["127.0.64.2"], "kept");
        assert_eq!(
            of(&given, "c"),
            ["127.0.64.3"],
            "not the one just given back"
        );
    }

    #[test]
    fn addresses_given_back_are_used_again_when_the_others_are_out() {
        let mut pool = pool("127.0.64.0/30");
        pool.assign(&gateways(&[("a", ""), ("b", "")]));
        let given = pool.assign(&gateways(&[("b", ""), ("c", ""), ("d", "")]));
        assert_eq!(of(&given, "c"), ["127.0.64.1"]);
        assert_eq!(of(&given, "d"), Vec::<String>::new(), "the pool is empty");
    }

    #[test]
    fn an_address_asked_for_by_value_is_nobody_elses() {
        let asks = ", addresses: [{value: 127.0.64.1}, {type: IPAddress}]";
        let given = pool("127.0.64.0/24").assign(&gateways(&[("a", ""), ("b", asks)]));
        assert_eq!(of(&given, "a"), ["127.0.64.2"]);
        assert_eq!(of(&given, "b"), ["127.0.64.3"]);
    }

    #[test]
    fn an_address_that_asks_for_a_routability_gets_none() {
        let asks = ", addresses: [{routability: Cluster}, {type: IPAddress}]";
        let given = pool("127.0.64.0/24").assign(&gateways(&[("a", asks), ("b", "")]));
        assert_eq!(of(&given, "a"), ["127.0.64.1"]);
        assert_eq!(of(&given, "b"), ["127.0.64.2"]);
    }
}
