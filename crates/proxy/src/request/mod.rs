//! The request, from its checks to its body's way to the endpoint.

pub(crate) mod admission;
pub(crate) mod check;
pub(crate) mod client_address;
pub(crate) mod client_cert;
pub(crate) mod early_response;
pub(crate) mod expect_continue;
pub(crate) mod fields;
pub(crate) mod forwarded;
pub(crate) mod host;
pub(crate) mod limits;
pub(crate) mod path;
pub(crate) mod preparation;
pub(crate) mod request_id;
pub(crate) mod route;
pub(crate) mod upload;
pub(crate) mod way;
