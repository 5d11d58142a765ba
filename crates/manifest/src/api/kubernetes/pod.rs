//! Pod, which can be an endpoint of a Service.

use crate::api::{Object, PortNumber, object};

/// A Pod, which can be an endpoint.
pub type Pod = Object<PodFields>;

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
