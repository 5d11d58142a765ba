//! The addresses of a Gateway.

use std::net::IpAddr;

/// An address on which a Gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayAddress {
    /// The address that the socket is bound to. Unspecified for every interface.
    pub bind: IpAddr,
    /// The addresses that the status shows: those that a client can use.
    pub shown: Vec<IpAddr>,
}
