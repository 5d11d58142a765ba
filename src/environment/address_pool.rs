//! Addresses for Gateways from the network of `--address-pool`.

use gatefold_graph::environment::{GatewayAddresses, SpecAddresses};
use gatefold_manifest::Resources;
use gatefold_manifest::api::{Gateway, NamespacedName};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Assigns the addresses of a network. A Gateway keeps its addresses as long as it exists. Addresses of a removed Gateway
/// are reused only after all others.
#[derive(Debug)]
pub struct AddressPool {
    network: IpNet,
    assigned: GatewayAddresses,
    /// The address that was assigned last. The next search begins after it.
    last: Option<IpAddr>,
}

impl AddressPool {
    /// Creates a pool of all host addresses of a network.
    pub fn new(network: IpNet) -> Self {
        AddressPool {
            network,
            assigned: BTreeMap::new(),
            last: None,
        }
    }

    /// Returns the addresses of every Gateway that needs some: one for each of its `spec.addresses` of type IPAddress
    /// without a value and without a routability, or one if it has no `spec.addresses`. If the pool has too few addresses,
    /// a Gateway gets the remaining ones. If `spec.addresses` are replaced, every Gateway needs one address, whatever it
    /// requests. A Gateway in `given` needs none. An address that a Gateway requests by value, or that is given to one, is
    /// not assigned to another Gateway.
    pub fn assign(
        &mut self,
        resources: &Resources,
        given: &GatewayAddresses,
        spec_addresses: SpecAddresses,
    ) -> GatewayAddresses {
        let gateways = resources.gateways.iter();
        let needs: BTreeMap<&NamespacedName, usize> = gateways
            .filter(|(name, _)| !given.contains_key(name))
            .map(|(name, gateway)| (name, needed(gateway, spec_addresses)))
            .filter(|(_, count)| *count > 0)
            .collect();
        self.assigned.retain(|name, _| needs.contains_key(name));
        let mut taken: BTreeSet<IpAddr> = given.values().flatten().copied().collect();
        taken.extend(resources.gateways.values().flat_map(|it| requested(it)));
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
        let mut assigned = self.assigned.clone();
        assigned.retain(|_, addresses| !addresses.is_empty());
        assigned
    }

    fn next_free(&mut self, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        let behind = self.network.hosts().skip_while(|host| {
            // Hosts come in rising order.
            self.last.is_some_and(|last| *host <= last)
        });
        // A free address is found at the latest after one more address than are taken.
        let free = behind
            .chain(self.network.hosts())
            .take(2 * (taken.len() + 1))
            .find(|host| !taken.contains(host));
        self.last = free.or(self.last);
        free
    }
}

fn needed(gateway: &Gateway, spec_addresses: SpecAddresses) -> usize {
    let addresses = &gateway.spec.addresses;
    match spec_addresses {
        SpecAddresses::Bind if !addresses.is_empty() => {
            addresses.iter().filter(|address| address.is_any()).count()
        }
        SpecAddresses::Bind | SpecAddresses::Replace => 1,
    }
}

fn requested(gateway: &Gateway) -> impl Iterator<Item = IpAddr> {
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

    /// Assigns the addresses that `spec.addresses` request.
    fn assign(pool: &mut AddressPool, gateways: &[(&str, &str)]) -> GatewayAddresses {
        let (resources, given) = (self::gateways(gateways), GatewayAddresses::new());
        pool.assign(&resources, &given, SpecAddresses::Bind)
    }

    fn of(given: &GatewayAddresses, name: &str) -> Vec<String> {
        let addresses = given.get(&NamespacedName::new("default", name));
        let shown = addresses.into_iter().flatten();
        shown.map(IpAddr::to_string).collect()
    }

    #[test]
    fn keeps_the_address_of_a_gateway_as_long_as_it_exists() {
        let mut pool = pool("127.0.64.0/24");
        let given = assign(&mut pool, &[("a", ""), ("b", "")]);
        assert_eq!(of(&given, "a"), ["127.0.64.1"]);
        assert_eq!(of(&given, "b"), ["127.0.64.2"]);
        let given = assign(&mut pool, &[("b", ""), ("c", "")]);
        assert_eq!(of(&given, "b"), ["127.0.64.2"], "kept");
        assert_eq!(
            of(&given, "c"),
            ["127.0.64.3"],
            "an address that was just returned is not reused first"
        );
    }

    #[test]
    fn reuses_returned_addresses_after_all_others() {
        let mut pool = pool("127.0.64.0/30");
        assign(&mut pool, &[("a", ""), ("b", "")]);
        let given = assign(&mut pool, &[("b", ""), ("c", ""), ("d", "")]);
        assert_eq!(of(&given, "c"), ["127.0.64.1"]);
        assert_eq!(of(&given, "d"), Vec::<String>::new(), "no address is left");
    }

    #[test]
    fn does_not_assign_an_address_that_another_gateway_requests_by_value() {
        let addresses = ", addresses: [{value: 127.0.64.1}, {type: IPAddress}]";
        let given = assign(&mut pool("127.0.64.0/24"), &[("a", ""), ("b", addresses)]);
        assert_eq!(of(&given, "a"), ["127.0.64.2"]);
        assert_eq!(of(&given, "b"), ["127.0.64.3"]);
    }

    #[test]
    fn assigns_no_address_to_an_entry_with_routability() {
        let addresses = ", addresses: [{routability: Cluster}, {type: IPAddress}]";
        let given = assign(&mut pool("127.0.64.0/24"), &[("a", addresses), ("b", "")]);
        assert_eq!(of(&given, "a"), ["127.0.64.1"]);
        assert_eq!(of(&given, "b"), ["127.0.64.2"]);
    }

    #[test]
    fn replaces_requested_addresses_by_one_of_the_pool() {
        let addresses = ", addresses: [{value: 192.0.2.1}, {type: Hostname, value: a.example}]";
        let resources = gateways(&[("a", addresses), ("b", "")]);
        let mut pool = pool("127.83.0.0/24");
        let given = GatewayAddresses::new();
        let assigned = pool.assign(&resources, &given, SpecAddresses::Replace);
        assert_eq!(of(&assigned, "a"), ["127.83.0.1"]);
        assert_eq!(of(&assigned, "b"), ["127.83.0.2"]);
    }

    #[test]
    fn assigns_nothing_to_a_gateway_with_a_given_address_and_that_address_to_no_other() {
        let given = (NamespacedName::new("default", "a"), "127.83.0.1");
        let given = GatewayAddresses::from([(given.0, vec![given.1.parse().expect("an address")])]);
        let resources = gateways(&[("a", ""), ("b", "")]);
        let assigned = pool("127.83.0.0/24").assign(&resources, &given, SpecAddresses::Bind);
        assert_eq!(of(&assigned, "a"), Vec::<String>::new());
        assert_eq!(of(&assigned, "b"), ["127.83.0.2"]);
    }
}
