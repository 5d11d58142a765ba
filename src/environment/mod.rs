//! The inputs of the graph that are not in the manifests: addresses and ports for Gateways, endpoints found outside the folder,
//! addresses of this host, and the system's certificate authorities.
//!
//! `reload` and `gatefold check` collect them in an [`Environment`](gatefold_graph::Environment) before they build a graph.

pub(crate) mod address_pool;
pub(crate) mod discovery;
pub(crate) mod host_addresses;
pub(crate) mod port_plan;
mod port_shift;
pub(crate) mod settings;
pub(crate) mod surroundings;
pub(crate) mod system_authorities;
