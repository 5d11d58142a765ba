//! Certificates, private keys and CA certificates, read from Secrets and ConfigMaps.

pub(crate) mod ca_certificates;
pub(crate) mod client_certificate;
pub mod client_validation;
mod key_kind;
pub(crate) mod last_good;
pub(crate) mod listener_tls;
mod pem;
pub mod tls_secret;
