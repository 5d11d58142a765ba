//! From a Service's port to addresses.
//!
//! The first that applies: EndpointSlices, Endpoints, `ExternalName`, Pods that the selector matches and
//! that have an address, then what the environment has (`--backend`, DNS, echo). What is there but has
//! nothing ready still applies: the Service has no endpoints then.

use super::{Build, Wanted, quoted};
use crate::diagnostic::{Code, Diagnostic, Pointer};
use crate::manifest::Resources;
use crate::manifest::api::{
    Endpoint, EndpointPort, EndpointSlice, NamespacedName, Pod, Service, ServicePort, TargetPort,
};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The label that ties a slice to its Service.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// A Service's port, in the folder.
pub(super) type Port<'a> = (&'a Service, &'a ServicePort);

/// The endpoints of Services, looked up once each.
pub(super) struct ServiceEndpoints<'a> {
    /// By namespace and Service.
    slices: HashMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>,
    /// Pods with an address, by namespace and each of their labels.
    pods: HashMap<(&'a str, &'a str, &'a str), Vec<&'a Pod>>,
    found: HashMap<(NamespacedName, u16), Arc<[SocketAddr]>>,
    /// What has no endpoints.
    pub wanted: BTreeMap<(NamespacedName, u16), Wanted>,
}

impl<'a> ServiceEndpoints<'a> {
    /// Reads the objects of the folder that have endpoints.
    pub fn index(resources: &'a Resources) -> Self {
        let mut slices: HashMap<_, Vec<&EndpointSlice>> = HashMap::new();
        for slice in resources.endpoint_slices.values() {
            if let Some(service) = slice.meta.labels.get(SERVICE_NAME_LABEL) {
                let key = (&*slice.meta.namespace, service.as_str());
                slices.entry(key).or_default().push(slice);
            }
        }
        let mut pods: HashMap<_, Vec<&Pod>> = HashMap::new();
        for pod in resources
            .pods
            .values()
            .filter(|pod| address_of(pod).is_some())
        {
            for (label, value) in &pod.meta.labels {
                let key = (&*pod.meta.namespace, label.as_str(), value.as_str());
                pods.entry(key).or_default().push(pod);
            }
        }
        ServiceEndpoints {
            slices,
            pods,
            found: HashMap::new(),
            wanted: BTreeMap::new(),
        }
    }

    /// The endpoints, if they were looked up before.
    pub fn known(&self, key: &(NamespacedName, u16)) -> Option<Arc<[SocketAddr]>> {
        self.found.get(key).cloned()
    }

    /// Looks up the ready endpoints, in order, each once. Without a Service the environment has them.
    pub fn endpoints(
        &mut self,
        key: &(NamespacedName, u16),
        port: Option<Port<'a>>,
        build: &mut Build<'a>,
    ) -> Arc<[SocketAddr]> {
        let in_folder = port.and_then(|port| self.in_folder(port, build));
        let mut addresses = match in_folder {
            Some(addresses) => addresses,
            None => {
                let discovered = build.environment.discovered.get(key);
                if let Some(port) = port {
                    self.want(key, port, discovered.is_some(), build);
                }
                discovered.cloned().unwrap_or_default()
            }
        };
        addresses.sort_unstable();
        addresses.dedup();
        let addresses: Arc<[SocketAddr]> = addresses.into();
        self.found.insert(key.clone(), addresses.clone());
        addresses
    }

    /// What the port speaks: the Service says it, or else those of its EndpointSlices that somebody wrote by
    /// hand (Kubernetes copies the Service's into those that it makes).
    pub fn app_protocol(&self, (service, port): Port<'a>) -> Option<&'a str> {
        let key = (&*service.meta.namespace, &*service.meta.name);
        let slices = self.slices.get(&key);
        let ports = slices.into_iter().flatten().flat_map(|it| &it.spec.ports);
        let mut same = ports.filter(|it| it.name == port.name);
        let own = port.app_protocol.as_deref();
        own.or_else(|| same.find_map(|it| it.app_protocol.as_deref()))
    }

    fn in_folder(&self, port: Port<'a>, build: &mut Build<'a>) -> Option<Vec<SocketAddr>> {
        self.in_slices(port, build)
            .or_else(|| in_endpoints(port, build))
            .or_else(|| at_external_name(port))
            .or_else(|| self.in_pods(port))
    }

    fn in_slices(&self, port: Port<'_>, build: &mut Build<'_>) -> Option<Vec<SocketAddr>> {
        let (service, service_port) = port;
        let key = (&*service.meta.namespace, &*service.meta.name);
        let slices = self.slices.get(&key)?;
        let mut ready = Vec::new();
        let mut ending = Vec::new();
        let mut named = false;
        for slice in slices {
            let Some(number) = port_number(&slice.spec.ports, service_port) else {
                continue;
            };
            named = true;
            for (index, endpoint) in slice.spec.endpoints.iter().enumerate() {
                let Some(text) = endpoint.addresses.first() else {
                    continue;
                };
                let Ok(address) = text.parse::<IpAddr>() else {
                    unsupported_endpoint(slice, index, text, build);
                    continue;
                };
                match use_of(endpoint) {
                    Use::Ready => ready.push(SocketAddr::new(address, number)),
                    Use::Ending => ending.push(SocketAddr::new(address, number)),
                    Use::None => {}
                }
            }
        }
        if !named {
            let ports = slices.iter().flat_map(|slice| &slice.spec.ports);
            port_not_found("EndpointSlices", port, ports, build);
        }
        // Like kube-proxy: endpoints that are about to end serve as long as there are no others.
        Some(if ready.is_empty() { ending } else { ready })
    }

    fn in_pods(&self, (service, port): Port<'_>) -> Option<Vec<SocketAddr>> {
        let selector = &service.spec.selector;
        let namespace = &*service.meta.namespace;
        let (label, value) = selector.iter().next()?;
        let candidates = self
            .pods
            .get(&(namespace, label.as_str(), value.as_str()))?;
        let mut chosen = candidates.iter().filter(|pod| {
            let labels = &pod.meta.labels;
            selector
                .iter()
                .all(|(label, value)| labels.get(label) == Some(value))
        });
        chosen.clone().next()?;
        let mut addresses = Vec::new();
        for pod in chosen.by_ref().filter(|pod| is_ready(pod)) {
            if let (Some(address), Some(number)) = (address_of(pod), target_port(pod, port)) {
                addresses.push(SocketAddr::new(address, number));
            }
        }
        Some(addresses)
    }

    /// Notes that the folder has no endpoints; it is worth a word when nobody else has any, either.
    fn want(
        &mut self,
        key: &(NamespacedName, u16),
        (service, port): Port<'_>,
        discovered: bool,
        build: &mut Build<'_>,
    ) {
        let external_name = external_name(service).map(str::to_owned);
        let number = match (&port.target_port, &external_name) {
            (Some(TargetPort::Number(number)), None) => number.get(),
            _ => port.port.get(),
        };
        let wanted = Wanted {
            external_name,
            port: number,
        };
        self.wanted.insert(key.clone(), wanted);
        if discovered {
            return;
        }
        let message = format!(
            "Service {}, port {}, has no endpoints in the folder",
            key.0, key.1
        );
        let place = service.place(super::name_pointer());
        let finding = Diagnostic::new(Code::NoEndpoints, place, message)
            .about(service.id())
            .help("`gatefold run` asks DNS for its name; `--backend` names an address, `--echo` answers itself");
        build.diagnostics.push(finding);
    }
}

fn in_endpoints(port: Port<'_>, build: &mut Build<'_>) -> Option<Vec<SocketAddr>> {
    let (service, service_port) = port;
    let resources = build.resources;
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
        port_not_found("Endpoints", port, ports, build);
    }
    Some(addresses)
}

/// An `ExternalName` that is an IP address needs no DNS.
fn at_external_name((service, port): Port<'_>) -> Option<Vec<SocketAddr>> {
    let address: IpAddr = external_name(service)?.parse().ok()?;
    Some(vec![SocketAddr::new(address, port.port.get())])
}

fn external_name(service: &Service) -> Option<&str> {
    let external = service.spec.kind == "ExternalName";
    service.spec.external_name.as_deref().filter(|_| external)
}

/// The number of the port with the Service's port's name; one without a number stands for every port.
fn port_number(ports: &[EndpointPort], wanted: &ServicePort) -> Option<u16> {
    let port = ports.iter().find(|port| port.name == wanted.name)?;
    Some(port.port.unwrap_or(wanted.port).get())
}

enum Use {
    Ready,
    /// Serves, but is about to end.
    Ending,
    None,
}

fn use_of(endpoint: &Endpoint) -> Use {
    let conditions = &endpoint.conditions;
    match (conditions.ready, conditions.serving) {
        (None | Some(true), _) => Use::Ready,
        (Some(false), Some(true)) => Use::Ending,
        (Some(false), None | Some(false)) => Use::None,
    }
}

fn address_of(pod: &Pod) -> Option<IpAddr> {
    pod.spec.status.pod_ip.as_deref()?.parse().ok()
}

fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.spec.status.conditions.iter();
    conditions
        .find(|c| c.kind == "Ready")
        .is_none_or(|c| c.status == "True")
}

fn target_port(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match &port.target_port {
        None => Some(port.port.get()),
        Some(TargetPort::Number(number)) => Some(number.get()),
        Some(TargetPort::Name(name)) => {
            let containers = pod.spec.spec.containers.iter();
            let mut ports = containers.flat_map(|container| &container.ports);
            let port = ports.find(|port| port.name == *name)?;
            Some(port.container_port.get())
        }
    }
}

fn unsupported_endpoint(slice: &EndpointSlice, index: usize, text: &str, build: &mut Build<'_>) {
    let pointer = Pointer::root()
        .key("endpoints")
        .index(index)
        .key("addresses");
    let message = format!("`{text}` isn't an IP address; the endpoint isn't used");
    let finding = Diagnostic::new(Code::UnsupportedEndpoint, slice.place(pointer), message);
    let help = "for a DNS name use a Service of type ExternalName";
    build.diagnostics.push(finding.about(slice.id()).help(help));
}

fn port_not_found<'p>(
    kind: &str,
    (service, port): Port<'_>,
    ports: impl Iterator<Item = &'p EndpointPort>,
    build: &mut Build<'_>,
) {
    let message = format!(
        "no port of the {kind} of Service {} is named `{}`, as the Service's port {} is",
        service.key(),
        port.name,
        port.port
    );
    let mut names: Vec<&str> = ports.map(|port| port.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let place = service.place(Pointer::spec().key("ports"));
    let finding = Diagnostic::new(Code::EndpointPortNotFound, place, message);
    let help = format!("their ports' names: {}", quoted(names));
    build
        .diagnostics
        .push(finding.about(service.id()).help(help));
}
