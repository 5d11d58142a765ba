//! Service, and the kinds that provide its endpoints: EndpointSlice, Endpoints and Pod.

use crate::api::{Object, PortNumber, object};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};
use std::collections::BTreeMap;

/// A Service.
pub type Service = Object<ServiceSpec>;
/// Some of the endpoints of a Service.
pub type EndpointSlice = Object<EndpointSliceFields>;
/// All endpoints of a Service (the predecessor of EndpointSlice).
pub type Endpoints = Object<EndpointsFields>;
/// A Pod, which can be an endpoint.
pub type Pod = Object<PodFields>;

object! {
    /// The fields of `Service.spec` that gatefold uses.
    #[derive(Default)]
    pub open ServiceSpec {
        /// `ClusterIP`, `ExternalName` and others.
        "type" => kind: String = "ClusterIP".to_owned(),
        /// `None` for a headless Service.
        "clusterIP" => cluster_ip: Option<String>,
        /// The DNS name, with `ExternalName`.
        "externalName" => external_name: Option<String>,
        /// The labels of the Service's Pods.
        "selector" => selector: BTreeMap<String, String>,
        /// The ports.
        "ports" => ports: Vec<ServicePort>,
    }
}

object! {
    /// One of a Service's ports.
    pub open ServicePort {
        /// The name; may be empty if it is the only port.
        "name" => name: String = String::new(),
        /// The number that references use.
        "port" => port: PortNumber,
        /// The port of the Pods, by number or name; absent for the same number.
        "targetPort" => target_port: Option<TargetPort>,
        /// `TCP`, `UDP` or `SCTP`.
        "protocol" => protocol: String = "TCP".to_owned(),
        /// The application protocol: `kubernetes.io/h2c`, `kubernetes.io/ws` and others.
        "appProtocol" => app_protocol: Option<String>,
    }
}

/// A port of a Pod, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The port number.
    Number(PortNumber),
    /// The name of a container port.
    Name(String),
}

impl Decode for TargetPort {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::String(name) => Some(TargetPort::Name(name.clone())),
            Value::Number(_) => PortNumber::decode(node, decoder).map(TargetPort::Number),
            _ => {
                decoder.wrong_type(node, "a port number or a port's name");
                None
            }
        }
    }
}

object! {
    /// The fields of an EndpointSlice that gatefold uses.
    pub open EndpointSliceFields {
        /// `IPv4`, `IPv6` or `FQDN`.
        "addressType" => address_type: String,
        /// The endpoints.
        "endpoints" => endpoints: Vec<Endpoint>,
        /// The ports of every endpoint.
        "ports" => ports: Vec<EndpointPort>,
    }
}

object! {
    /// One endpoint of a slice.
    pub open Endpoint {
        /// The addresses of the endpoint. They are equivalent, so the first one is used.
        "addresses" => addresses: Vec<String>,
        /// Whether the endpoint can be used.
        "conditions" => conditions: EndpointConditions = EndpointConditions::default(),
    }
}

object! {
    /// Whether an endpoint can be used. Absent conditions mean that it can.
    #[derive(Default)]
    pub open EndpointConditions {
        /// Whether the endpoint is ready for new requests.
        "ready" => ready: Option<bool>,
        /// Whether the endpoint is serving, even if it is terminating.
        "serving" => serving: Option<bool>,
        /// Whether the endpoint is terminating.
        "terminating" => terminating: Option<bool>,
    }
}

object! {
    /// A port of endpoints.
    pub open EndpointPort {
        /// The name of the Service's port.
        "name" => name: String = String::new(),
        /// The number.
        "port" => port: Option<PortNumber>,
        /// `TCP`, `UDP` or `SCTP`.
        "protocol" => protocol: String = "TCP".to_owned(),
        /// The application protocol.
        "appProtocol" => app_protocol: Option<String>,
    }
}

object! {
    /// The fields of an Endpoints object that gatefold uses.
    pub open EndpointsFields {
        /// Groups of addresses with the same ports.
        "subsets" => subsets: Vec<EndpointSubset>,
    }
}

object! {
    /// Addresses with the same ports.
    pub open EndpointSubset {
        /// Addresses that are ready.
        "addresses" => addresses: Vec<EndpointAddress>,
        /// Addresses that aren't ready.
        "notReadyAddresses" => not_ready_addresses: Vec<EndpointAddress>,
        /// The ports of the addresses.
        "ports" => ports: Vec<EndpointPort>,
    }
}

object! {
    /// The address of an endpoint.
    pub open EndpointAddress {
        /// IPv4 or IPv6.
        "ip" => ip: String,
    }
}

object! {
    /// The fields of a Pod that gatefold uses.
    pub open PodFields {
        /// The containers with their ports.
        "spec" => spec: PodSpec = PodSpec::default(),
        /// The address and the readiness.
        "status" => status: PodStatus = PodStatus::default(),
    }
}

object! {
    /// The fields of `Pod.spec` that gatefold uses.
    #[derive(Default)]
    pub open PodSpec {
        /// The containers.
        "containers" => containers: Vec<Container>,
    }
}

object! {
    /// The fields of a container that gatefold uses.
    pub open Container {
        /// The ports.
        "ports" => ports: Vec<ContainerPort>,
    }
}

object! {
    /// A port of a container.
    pub open ContainerPort {
        /// The name that a Service's `targetPort` may use.
        "name" => name: String = String::new(),
        /// The number.
        "containerPort" => container_port: PortNumber,
    }
}

object! {
    /// The fields of `Pod.status` that gatefold uses.
    #[derive(Default)]
    pub open PodStatus {
        /// The address.
        "podIP" => pod_ip: Option<String>,
        /// The conditions, among them whether the Pod is ready.
        "conditions" => conditions: Vec<PodCondition>,
    }
}

object! {
    /// A condition of a Pod.
    pub open PodCondition {
        /// The type.
        "type" => kind: String,
        /// `True`, `False` or `Unknown`.
        "status" => status: String,
    }
}
