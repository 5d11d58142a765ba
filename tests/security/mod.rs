//! Certificates, policies, and permissions.

mod certificates;
mod client_addresses;
mod client_certificates;
mod client_tls;
mod client_validation;
mod external_auth;
mod oidc;
mod policies;
mod reference_grant;
mod security_policies;
mod tokens;
