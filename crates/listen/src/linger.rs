//! Closing a connection whose client may still be sending.
//!
//! A system that closes a connection with unread data resets it, and the client may lose the response that it hasn't read yet
//! (RFC 9112, section 9.6). So our side is ended first, and what still comes is read and dropped for a while.

use super::registry::Entry;
use rustix::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tracing::debug;

/// How long what a client sends is dropped. nginx waits 5 s for each piece, and 30 s in all.
const LINGER: Duration = Duration::from_secs(5);
const PIECE: usize = 16 * 1024;

/// Ends our side of a connection that is about to be closed, and keeps its place until the client has ended its side, or for
/// 5 seconds. Without a runtime the connection is closed at once.
pub(super) fn linger(tcp: &TcpStream, entry: Option<Entry>) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    // The client may have gone first.
    let _ = rustix::net::shutdown(tcp, Shutdown::Write);
    match tcp.as_fd().try_clone_to_owned() {
        Ok(socket) => {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(LINGER, drop_all(socket.into())).await;
                drop(entry);
            });
        }
        Err(error) => debug!(%error, "a connection can't wait for what its client still sends"),
    }
}

/// Reads until the client ends its side.
async fn drop_all(socket: std::net::TcpStream) {
    let Ok(mut tcp) = TcpStream::from_std(socket) else {
        return;
    };
    let mut piece = vec![0; PIECE];
    while let Ok(1..) = tcp.read(&mut piece).await {}
}
