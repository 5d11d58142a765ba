//! The address of a request's client.

use crate::response::reason::AnswerReason;
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::client_traffic::client_address::ClientAddress;
use gatefold_listen::Connection;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// Finds the client of a request, as the policy of its listener says.
///
/// # Errors
/// If the policy denies requests without the address.
pub(crate) fn find(
    traffic: &ClientTraffic,
    connection: &Connection,
    headers: &HeaderMap,
) -> Result<ClientAddress, AnswerReason> {
    let found = traffic.address_source.find(connection.peer().ip(), headers);
    found.map_err(|_| AnswerReason::UnknownClient)
}

/// Returns the address by which rules and logs identify the client. It is the other end of the connection, unless a policy has
/// found another one: headers such as `X-Forwarded-For` may be forged.
pub(crate) fn address(found: Option<ClientAddress>, connection: &Connection) -> IpAddr {
    found.map_or_else(|| connection.peer().ip(), |it| it.address)
}

/// Returns the same address, with the port of the other end of the connection.
pub(crate) fn with_port(found: Option<ClientAddress>, connection: &Connection) -> SocketAddr {
    SocketAddr::new(address(found, connection), connection.peer().port())
}
