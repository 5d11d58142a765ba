//! Policy attachment (GEP-713): which objects a policy targets, which policy prevails there, and the Gateways it affects.
//!
//! In: policies and the objects of the folder. Out: for each object and section, the policies in force, and for each policy
//! its ancestors. Targets are resolved before routes attach, so that routes can be built with the policies in force;
//! ancestors are found afterwards. A new kind of policy is a file on top of `target`, `attachment` and `ancestors`.

mod ancestors;
mod attachment;
mod authorization_settings;
pub mod backend_tls;
pub mod backend_tls_policy;
pub(crate) mod client_traffic_policy;
pub(crate) mod credentials;
mod csrf_settings;
mod ext_auth_merge;
mod ext_auth_servers;
mod ext_auth_settings;
pub mod issuer_backends;
pub mod jwks;
mod jwks_settings;
mod jwt_settings;
pub(crate) mod kept_credentials;
pub(crate) mod layered;
pub mod layered_status;
mod login_transport;
mod oidc_client_secrets;
pub mod oidc_providers;
mod oidc_settings;
mod overriding;
mod path_condition;
pub(crate) mod protection;
mod security_merge;
mod security_merges;
pub mod security_policy;
mod security_settings;
mod target;
pub(crate) mod target_objects;
pub(crate) mod unread_policy;
mod unserved_settings;

pub(crate) use ancestors::Ancestors;
