//! The PROXY header at the beginning of a connection, by which a proxy names the client.
//!
//! In: a new connection on a socket that takes such headers. Out: the same connection behind the header, with the address of its
//! client. Every client of the socket can name any address, as with every server that takes these headers.

pub mod header;

use crate::connection::Connection;
use crate::connection::stream::ClientStream;
use crate::log_throttle::LogThrottle;
use crate::meters::CloseReason;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::client_traffic::socket_settings::ProxyProtocol;
use header::{FirstBytes, MalformedHeader};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// Reads the PROXY headers of one socket's connections.
#[derive(Debug)]
pub(crate) struct ProxyHeaders {
    socket: SocketKey,
    /// Only a connection that is closed takes the lock.
    log: Mutex<LogThrottle>,
}

/// Why a connection has no usable header.
#[derive(Debug, Error)]
enum HeaderError {
    #[error("it begins with something else")]
    Missing,
    #[error("{0}")]
    Malformed(#[from] MalformedHeader),
    #[error("it ends within the header")]
    Cut,
    #[error("the header took too long")]
    Late,
    #[error(transparent)]
    Read(#[from] io::Error),
}

impl ProxyHeaders {
    pub(crate) fn new(socket: SocketKey) -> Self {
        ProxyHeaders {
            socket,
            log: Mutex::default(),
        }
    }

    /// Reads the header of a connection until `deadline`, and records the client that it names. Returns whether the connection
    /// may be served.
    pub(crate) async fn accept(
        &self,
        stream: &mut ClientStream,
        connection: &Connection,
        expected: ProxyProtocol,
        deadline: Instant,
    ) -> bool {
        let read = timeout_at(deadline, read(stream, expected)).await;
        match read.unwrap_or(Err(HeaderError::Late)) {
            Ok(client) => {
                if let Some(client) = client {
                    connection.set_client(client);
                    stream.set_client(client);
                }
                true
            }
            Err(error) => {
                connection.ended(CloseReason::ProxyHeader);
                self.report(connection.sender(), &error);
                false
            }
        }
    }

    fn report(&self, sender: SocketAddr, error: &HeaderError) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.is_due() {
            warn!(
                socket = %self.socket, %sender, %error,
                "closing a connection without a usable PROXY header; further ones are only counted for a while"
            );
        }
    }
}

/// Reads a header and drops it from the stream. Returns the client that it names.
async fn read(
    stream: &mut ClientStream,
    expected: ProxyProtocol,
) -> Result<Option<SocketAddr>, HeaderError> {
    loop {
        let is_over = stream.peek_more().await?.is_empty();
        match header::parse(stream.peeked())? {
            FirstBytes::Header { client, length } => {
                stream.drop_peeked(length);
                return Ok(client);
            }
            FirstBytes::Partial if !is_over => {}
            FirstBytes::Partial | FirstBytes::Other => {
                return match expected {
                    ProxyProtocol::Optional | ProxyProtocol::Off => Ok(None),
                    ProxyProtocol::Required if is_over => Err(HeaderError::Cut),
                    ProxyProtocol::Required => Err(HeaderError::Missing),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests;
