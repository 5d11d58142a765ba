//! The address of a request's client.

use gatefold_listen::Connection;
use std::net::IpAddr;

/// Returns the address by which rules identify the client. It is the other end of the connection: headers such as
/// `X-Forwarded-For` may be forged. An IPv4 client of an IPv6 socket has its IPv4 address.
pub(crate) fn of(connection: &Connection) -> IpAddr {
    connection.peer().ip()
}
