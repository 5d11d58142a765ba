//! Gateways, their classes and their ListenerSets: which of them gatefold serves, and where they listen.

mod build;
mod gateway_address;
mod gateway_class;
mod listener_set;
mod node;
mod serving;

pub(crate) use build::build;
pub use gateway_address::GatewayAddress;
pub use gateway_class::{GatewayClassNode, GatewayClassNodes, SUPPORTED_FEATURES, serves};
pub(crate) use gateway_class::{build as build_classes, controller_in, controller_names};
pub use listener_set::{ListenerSetNode, ListenerSetNodes};
pub use node::{GatewayNode, GatewayNodes};
pub(crate) use node::{listener, listener_mut, listeners};
pub use serving::accepted;
