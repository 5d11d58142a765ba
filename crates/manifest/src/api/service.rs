//! Service, EndpointSlice, Endpoints and Pod: from a name and a port to addresses.

use super::{Object, PortNumber, object};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};
use std::collections::BTreeMap;

/// A name for endpoints.
pub type Service = Object<ServiceSpec>;
/// Some of a Service's endpoints.
pub type EndpointSlice = Object<EndpointSliceFields>;
/// All of a Service's endpoints (the old way).
pub type Endpoints = Object<EndpointsFields>;
/// A pod, as far as it can be an endpoint.
pub type Pod = Object<PodFields>;

object! {
    /// `Service.spec`, as far as it is used.
    #[derive(Default)]
    pub open ServiceSpec {
        /// `ClusterIP`, `ExternalName` and others.
        "type" => kind: String = "ClusterIP".to_owned(),
        /// `None` for a headless Service.
        "clusterIP" => cluster_ip: Option<String>,
        /// The DNS name, with `ExternalName`.
        "externalName" => external_name: Option<String>,
        /// The labels of its pods.
        "selector" => selector: BTreeMap<String, String>,
        /// Its ports.
        "ports" => ports: Vec<ServicePort>,
    }
}

object! {
    /// One of a Service's ports.
    pub open ServicePort {
        /// Its name; may be empty when it is the only one.
        "name" => name: String = String::new(),
        /// The number that references use.
        "port" => port: PortNumber,
        /// The pods' port, by number or name; the same number when absent.
        "targetPort" => target_port: Option<TargetPort>,
        /// `TCP`, `UDP` or `SCTP`.
        "protocol" => protocol: String = "TCP".to_owned(),
        /// What is spoken: `kubernetes.io/h2c`, `kubernetes.io/ws` and others.
        "appProtocol" => app_protocol: Option<String>,
    }
}

/// A pod's port, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// By number.
    Number(PortNumber),
    /// By the name of a container port.
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
    /// The fields of an EndpointSlice, as far as they are used.
    pub open EndpointSliceFields {
        /// `IPv4`, `IPv6` or `FQDN`.
        "addressType" => address_type: String,
        /// The endpoints.
        "endpoints" => endpoints: Vec<Endpoint>,
        /// Their ports, all alike.
        "ports" => ports: Vec<EndpointPort>,
    }
}

object! {
    /// One endpoint of a slice.
    pub open Endpoint {
        /// Its addresses, which all lead to the same place; the first is used.
        "addresses" => addresses: Vec<String>,
        /// Whether it can be used.
        "conditions" => conditions: EndpointConditions = EndpointConditions::default(),
    }
}

object! {
    /// Whether an endpoint can be used; absent means it can.
    #[derive(Default)]
    pub open EndpointConditions {
        /// Ready for new requests.
        "ready" => ready: Option<bool>,
        /// Serving, be it that it is about to end.
        "serving" => serving: Option<bool>,
        /// About to end.
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
        /// What is spoken.
        "appProtocol" => app_protocol: Option<String>,
    }
}

object! {
    /// The fields of an Endpoints object, as far as they are used.
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
        /// Addresses that aren't.
        "notReadyAddresses" => not_ready_addresses: Vec<EndpointAddress>,
        /// Their ports.
        "ports" => ports: Vec<EndpointPort>,
    }
}

object! {
    /// An address.
    pub open EndpointAddress {
        /// IPv4 or IPv6.
        "ip" => ip: String,
    }
}

object! {
    /// A pod, as far as it can be an endpoint.
    pub open PodFields {
        /// Its containers' ports.
        "spec" => spec: PodSpec = PodSpec::default(),
        /// Its address.
        "status" => status: PodStatus = PodStatus::default(),
    }
}

object! {
    /// `Pod.spec`, as far as it is used.
    #[derive(Default)]
    pub open PodSpec {
        /// The containers.
        "containers" => containers: Vec<Container>,
    }
}

object! {
    /// A container, as far as it is used.
    pub open Container {
        /// The ports.
        "ports" => ports: Vec<ContainerPort>,
    }
}

object! {
    /// A container's port.
    pub open ContainerPort {
        /// The name that a Service's `targetPort` may use.
        "name" => name: String = String::new(),
        /// The number.
        "containerPort" => container_port: PortNumber,
    }
}

object! {
    /// `Pod.status`, as far as it is used.
    #[derive(Default)]
    pub open PodStatus {
        /// The address.
        "podIP" => pod_ip: Option<String>,
        /// Whether it is ready, among others.
        "conditions" => conditions: Vec<PodCondition>,
    }
}

object! {
    /// A condition of a pod.
    pub open PodCondition {
        /// Which.
        "type" => kind: String,
        /// `True`, `False` or `Unknown`.
        "status" => status: String,
    }
}
