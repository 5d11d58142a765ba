//! Envoy Gateway's policies and parameters (`gateway.envoyproxy.io/v1alpha1`, release 1.9).
//!
//! Fields that gatefold serves are typed, with the bounds and rules of the CRD. Of the others only the names are kept: what
//! protects a target closes it, and everything else is named in the policy's status.

mod api_key_auth;
mod authorization;
mod basic_auth;
mod client_connection;
mod client_http2;
mod client_ip_detection;
mod client_timeout;
mod client_tls;
mod client_traffic_policy;
mod client_validation;
mod cluster_backend_ref;
mod cors;
mod csrf;
mod envoy_proxy;
mod ext_auth;
mod field_table;
mod header_settings;
mod jwt;
mod network;
mod oidc;
mod path_settings;
mod proxy_protocol;
mod remote_jwks;
mod security_policy;
mod targets;

pub use api_key_auth::*;
pub use authorization::*;
pub use basic_auth::*;
pub use client_connection::*;
pub use client_http2::*;
pub use client_ip_detection::*;
pub use client_timeout::*;
pub use client_tls::*;
pub use client_traffic_policy::*;
pub use client_validation::*;
pub use cluster_backend_ref::*;
pub use cors::*;
pub use csrf::*;
pub use envoy_proxy::*;
pub use ext_auth::*;
pub use field_table::*;
pub use header_settings::*;
pub use jwt::*;
pub use oidc::*;
pub use path_settings::*;
pub use proxy_protocol::*;
pub use remote_jwks::*;
pub use security_policy::*;
pub use targets::*;

/// The API group of Envoy Gateway's kinds.
pub const ENVOY_GATEWAY_GROUP: &str = "gateway.envoyproxy.io";
