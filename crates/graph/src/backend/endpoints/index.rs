//! The EndpointSlices and Pods of the folder, by what Services find them by.

use super::findings::{port_not_found, unsupported_endpoint};
use super::{FoundPort, port_number};
use gatefold_diagnostic::Diagnostic;
use gatefold_manifest::Resources;
use gatefold_manifest::api::{Endpoint, EndpointSlice, Pod, ServicePort, TargetPort};
use hashbrown::HashMap;
use std::net::{IpAddr, SocketAddr};

/// The label of a slice that names its Service.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// The objects of the folder that have endpoints.
pub(super) struct Index<'a> {
    /// By namespace and Service.
    slices: HashMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>,
    /// Pods that have an address, by namespace and each of their labels.
    pods: HashMap<(&'a str, &'a str, &'a str), Vec<&'a Pod>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(resources: &'a Resources) -> Self {
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
        Index { slices, pods }
    }

    /// Returns the port's `appProtocol`: the Service's, or else that of its EndpointSlices. A slice that Kubernetes creates
    /// has a copy of the Service's, so they differ only in slices written by hand.
    pub(super) fn app_protocol(&self, (service, port): FoundPort<'a>) -> Option<&'a str> {
        let key = (&*service.meta.namespace, &*service.meta.name);
        let slices = self.slices.get(&key);
        let ports = slices.into_iter().flatten().flat_map(|it| &it.spec.ports);
        let mut same = ports.filter(|it| it.name == port.name);
        let own = port.app_protocol.as_deref();
        own.or_else(|| same.find_map(|it| it.app_protocol.as_deref()))
    }

    pub(super) fn in_slices(
        &self,
        port: FoundPort<'_>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Vec<SocketAddr>> {
        let (service, service_port) = port;
        let key = (&*service.meta.namespace, &*service.meta.name);
        let slices = self.slices.get(&key)?;
        let mut ready = Vec::new();
        let mut terminating = Vec::new();
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
                    unsupported_endpoint(slice, index, text, findings);
                    continue;
                };
                match use_of(endpoint) {
                    Use::Ready => ready.push(SocketAddr::new(address, number)),
                    Use::Terminating => terminating.push(SocketAddr::new(address, number)),
                    Use::None => {}
                }
            }
        }
        if !named {
            let ports = slices.iter().flat_map(|slice| &slice.spec.ports);
            port_not_found("EndpointSlices", port, ports, findings);
        }
        // As in kube-proxy, terminating endpoints are used if there are no others.
        Some(if ready.is_empty() { terminating } else { ready })
    }

    pub(super) fn in_pods(&self, (service, port): FoundPort<'_>) -> Option<Vec<SocketAddr>> {
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
}

/// How an endpoint is used, by its conditions.
enum Use {
    Ready,
    /// It still serves, but is terminating.
    Terminating,
    None,
}

fn use_of(endpoint: &Endpoint) -> Use {
    let conditions = &endpoint.conditions;
    match (conditions.ready, conditions.serving) {
        (None | Some(true), _) => Use::Ready,
        (Some(false), Some(true)) => Use::Terminating,
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
