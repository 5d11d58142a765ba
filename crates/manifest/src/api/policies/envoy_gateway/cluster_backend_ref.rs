//! References to servers that gatefold itself asks for a policy (`backendRefs` of `BackendCluster`).

use crate::api::{BackendObjectReference, PortNumber, Weight};
use crate::api::{check_backend_port, object, rule};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;

/// A backend of gatefold itself: a server that a policy names, with its share (`BackendRef` of Envoy Gateway).
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterBackendRef {
    /// The Service.
    pub backend: BackendObjectReference,
    /// Its share of the requests, relative to the sum of all weights; 0 to 1,000,000.
    pub weight: u32,
    /// Whether it is only used if the others fail.
    pub fallback: bool,
}

object! {
    /// The fields of [`ClusterBackendRef`] as in YAML, where the reference is inline.
    pub closed ClusterBackendRefFields checked by ClusterBackendRefFields::check {
        /// See [`BackendObjectReference`].
        "group" => group: String where rule::group = String::new(),
        /// See [`BackendObjectReference`].
        "kind" => kind: String where rule::kind = "Service".to_owned(),
        /// See [`BackendObjectReference`].
        "name" => name: String where rule::object_name,
        /// See [`BackendObjectReference`].
        "namespace" => namespace: Option<String> where rule::namespace,
        /// See [`BackendObjectReference`].
        "port" => port: Option<PortNumber>,
        /// 0 to 1,000,000.
        "weight" => weight: Weight = Weight(1),
        /// See [`ClusterBackendRef`].
        "fallback" => fallback: bool = false,
    }
}

impl ClusterBackendRefFields {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        check_backend_port(&self.group, &self.kind, self.port, node, decoder);
    }
}

impl Decode for ClusterBackendRef {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let fields = ClusterBackendRefFields::decode(node, decoder)?;
        Some(ClusterBackendRef {
            backend: BackendObjectReference {
                group: fields.group,
                kind: fields.kind,
                name: fields.name,
                namespace: fields.namespace,
                port: fields.port,
            },
            weight: fields.weight.0,
            fallback: fields.fallback,
        })
    }
}
