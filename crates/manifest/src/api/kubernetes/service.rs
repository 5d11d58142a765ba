//! Service.

use crate::api::{Object, PortNumber, object};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};
use std::collections::BTreeMap;

/// A Service.
pub type Service = Object<ServiceSpec>;

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
