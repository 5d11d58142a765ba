//! The kinds that list the endpoints of a Service: EndpointSlice and Endpoints.

use crate::api::{Object, PortNumber, object};

/// Some of the endpoints of a Service.
pub type EndpointSlice = Object<EndpointSliceFields>;
/// All endpoints of a Service (the predecessor of EndpointSlice).
pub type Endpoints = Object<EndpointsFields>;

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
