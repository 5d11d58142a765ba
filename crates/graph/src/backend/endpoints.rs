//! Finds the endpoints of a Service's port.
//!
//! The first source that applies is used: EndpointSlices, Endpoints, `ExternalName`, Pods that match the selector and
//! have an address, then the environment (`--backend`, DNS, the echo backend). A source applies even if none of its
//! endpoints is ready; the Service has no endpoints then.

mod findings;
mod index;

use crate::Wanted;
use crate::environment::Environment;
use findings::{no_endpoints, port_not_found};
use gatefold_diagnostic::Diagnostic;
use gatefold_manifest::Resources;
use gatefold_manifest::api::{EndpointPort, NamespacedName, Service, ServicePort, TargetPort};
use hashbrown::HashMap;
use index::Index;
use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A Service in the folder, and one of its ports.
pub(crate) type FoundPort<'a> = (&'a Arc<Service>, &'a ServicePort);

/// A Service and the number of one of its ports.
pub type ServicePortKey = (NamespacedName, u16);

/// Resolved ports by Service and number.
pub(crate) type ServicePortNodes = HashMap<ServicePortKey, Arc<ServicePortNode>>;

/// A Service's port, resolved.
#[derive(Debug, PartialEq)]
pub(crate) struct ServicePortNode {
    /// The Service, and the name of the port. `None` if only the environment knows it.
    service: Option<(Same<Service>, String)>,
    /// The ready endpoints, sorted, without duplicates.
    pub endpoints: Arc<[SocketAddr]>,
    /// The port's `appProtocol`, if it is set.
    pub app_protocol: Option<String>,
    /// The lookup that would find endpoints outside the folder, if the folder has none.
    pub wanted: Option<Wanted>,
    /// Whether its endpoint is a built-in echo backend.
    pub is_echo: bool,
    /// Problems with the endpoints.
    pub findings: Vec<Diagnostic>,
}

impl ServicePortNode {
    /// The name of the port. Empty if it has none.
    pub fn port_name(&self) -> &str {
        self.service.as_ref().map_or("", |(_, port)| port)
    }
}

/// An object that is compared by identity.
#[derive(Debug)]
struct Same<T>(Arc<T>);

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Resolves ports of Services, each once.
pub(crate) struct ServicePorts<'a> {
    resources: &'a Resources,
    environment: &'a Environment,
    /// The ports of the previous graph.
    before: &'a ServicePortNodes,
    /// Whether everything that ports depend on is the same as for the previous graph.
    unchanged: bool,
    /// Built when the first port is resolved: most edits need none.
    index: OnceCell<Index<'a>>,
    found: ServicePortNodes,
}

impl<'a> ServicePorts<'a> {
    pub fn new(
        resources: &'a Resources,
        environment: &'a Environment,
        before: &'a ServicePortNodes,
        unchanged: bool,
    ) -> Self {
        ServicePorts {
            resources,
            environment,
            before,
            unchanged,
            index: OnceCell::new(),
            found: HashMap::new(),
        }
    }

    /// Resolves a port. If `port` is `None`, its endpoints come from the environment. If the result equals that of the
    /// previous graph, returns the previous node.
    pub fn look_up(
        &mut self,
        key: &ServicePortKey,
        port: Option<FoundPort<'a>>,
    ) -> Arc<ServicePortNode> {
        if let Some(known) = self.found.get(key) {
            return known.clone();
        }
        let before = self.before.get(key);
        let node = match before {
            Some(before) if self.unchanged => before.clone(),
            _ => {
                let now = self.node(key, port);
                let same = before.filter(|before| ***before == now);
                same.cloned().unwrap_or_else(|| Arc::new(now))
            }
        };
        self.found.insert(key.clone(), node.clone());
        node
    }

    /// Whether a port has been looked up.
    pub fn has_looked_up(&self, key: &ServicePortKey) -> bool {
        self.found.contains_key(key)
    }

    /// Whether a port resolves to the same node as before, although something that ports depend on has changed.
    pub fn is_unchanged(&mut self, key: &ServicePortKey) -> bool {
        let Some(before) = self.before.get(key) else {
            return false;
        };
        let port = match self.resources.services.get(&key.0) {
            Some(service) => match tcp_port(service, key.1) {
                Some(port) => Some((service, port)),
                None => return false,
            },
            None if self.environment.has_service(key) => None,
            None => return false,
        };
        Arc::ptr_eq(before, &self.look_up(key, port))
    }

    /// Returns the ports with these keys that are known.
    pub fn used<'k>(mut self, keys: impl Iterator<Item = &'k ServicePortKey>) -> ServicePortNodes {
        let mut used = ServicePortNodes::new();
        let mut previous = None;
        for key in keys {
            // Routes with the same backend are often neighbours, and comparing costs less than hashing.
            if previous.replace(key) == Some(key) || used.contains_key(key) {
                continue;
            }
            let found = self.found.remove(key);
            if let Some(node) = found.or_else(|| self.before.get(key).cloned()) {
                used.insert(key.clone(), node);
            }
        }
        used
    }

    fn node(&self, key: &ServicePortKey, port: Option<FoundPort<'a>>) -> ServicePortNode {
        let index = self.index.get_or_init(|| Index::of(self.resources));
        let mut findings = Vec::new();
        let in_folder = port.and_then(|port| self.in_folder(index, port, &mut findings));
        let discovered = self.environment.discovered.get(key);
        let wanted = match port {
            Some(port) => in_folder.is_none().then(|| wanted(port)),
            None => Some(Wanted {
                external_name: None,
                port: key.1,
                tls: None,
            }),
        };
        if let (Some(port), true, None) = (port, wanted.is_some(), discovered) {
            findings.push(no_endpoints(key, port));
        }
        let mut addresses = in_folder
            .or_else(|| discovered.cloned())
            .unwrap_or_default();
        addresses.sort_unstable();
        addresses.dedup();
        ServicePortNode {
            service: port.map(|(service, port)| (Same(service.clone()), port.name.clone())),
            endpoints: addresses.into(),
            app_protocol: port
                .and_then(|port| index.app_protocol(port))
                .map(str::to_owned),
            is_echo: wanted.is_some() && self.environment.stand_ins.echo.contains(key),
            wanted,
            findings,
        }
    }

    fn in_folder(
        &self,
        index: &Index<'a>,
        port: FoundPort<'a>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Vec<SocketAddr>> {
        index
            .in_slices(port, findings)
            .or_else(|| in_endpoints(port, self.resources, findings))
            .or_else(|| at_external_name(port))
            .or_else(|| index.in_pods(port))
    }
}

/// A Service's port with a number that routes can use.
pub(crate) fn tcp_port(service: &Service, number: u16) -> Option<&ServicePort> {
    let mut ports = service.spec.ports.iter();
    ports.find(|port| port.port.get() == number && port.protocol == "TCP")
}

/// Returns the lookup for a port that has no endpoints in the folder.
fn wanted((service, port): FoundPort<'_>) -> Wanted {
    let external_name = external_name(service).map(str::to_owned);
    let number = match (&port.target_port, &external_name) {
        (Some(TargetPort::Number(number)), None) => number.get(),
        _ => port.port.get(),
    };
    Wanted {
        external_name,
        port: number,
        tls: None,
    }
}

fn in_endpoints(
    port: FoundPort<'_>,
    resources: &Resources,
    findings: &mut Vec<Diagnostic>,
) -> Option<Vec<SocketAddr>> {
    let (service, service_port) = port;
    let endpoints = resources.endpoints.get(&service.key())?;
    let mut addresses = Vec::new();
    let mut named = false;
    for subset in &endpoints.spec.subsets {
        let Some(number) = port_number(&subset.ports, service_port) else {
            continue;
        };
        named = true;
        let ips = subset
            .addresses
            .iter()
            .filter_map(|address| address.ip.parse().ok());
        addresses.extend(ips.map(|ip: IpAddr| SocketAddr::new(ip, number)));
    }
    if !named && !endpoints.spec.subsets.is_empty() {
        let ports = endpoints
            .spec
            .subsets
            .iter()
            .flat_map(|subset| &subset.ports);
        port_not_found("Endpoints", port, ports, findings);
    }
    Some(addresses)
}

/// Returns the endpoint of an `ExternalName` that is an IP address, which needs no DNS.
fn at_external_name((service, port): FoundPort<'_>) -> Option<Vec<SocketAddr>> {
    let address: IpAddr = external_name(service)?.parse().ok()?;
    Some(vec![SocketAddr::new(address, port.port.get())])
}

fn external_name(service: &Service) -> Option<&str> {
    let external = service.spec.kind == "ExternalName";
    service.spec.external_name.as_deref().filter(|_| external)
}

/// Returns the number of the endpoint port that has the name of the Service's port. An endpoint port without a number
/// means every port.
fn port_number(ports: &[EndpointPort], wanted: &ServicePort) -> Option<u16> {
    let port = ports.iter().find(|port| port.name == wanted.name)?;
    Some(port.port.unwrap_or(wanted.port).get())
}
