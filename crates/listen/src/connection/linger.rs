//! Closing a connection whose client may still be sending.
//!
//! If a socket with unread data is closed, the kernel resets the connection, and the client may lose a response that it hasn't
//! read yet (RFC 9112, section 9.6). So the write side is shut down first, and incoming data is read and dropped for a while.

use crate::connection::registry::RegistryEntry;
use rustix::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tracing::debug;

/// Upper bound on the time for which incoming data is read and dropped. nginx waits 5 s for each read, and 30 s in total.
const LINGER: Duration = Duration::from_secs(5);
const PIECE: usize = 16 * 1024;

/// Shuts down the write side of a connection that is about to be closed, and keeps its registry entry until the client has
/// closed its side, for at most 5 seconds. Outside a runtime the connection is closed at once.
pub(crate) fn linger(tcp: &TcpStream, entry: Option<RegistryEntry>) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    // This fails if the client has closed the connection.
    let _ = rustix::net::shutdown(tcp, Shutdown::Write);
    match tcp.as_fd().try_clone_to_owned() {
        Ok(socket) => {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(LINGER, drop_all(socket.into())).await;
                drop(entry);
            });
        }
        Err(error) => debug!(%error, "can't duplicate a client socket to drain it before closing"),
    }
}

/// Reads and drops data until the client closes its side.
async fn drop_all(socket: std::net::TcpStream) {
    let Ok(mut tcp) = TcpStream::from_std(socket) else {
        return;
    };
    let mut piece = vec![0; PIECE];
    while let Ok(1..) = tcp.read(&mut piece).await {}
}
