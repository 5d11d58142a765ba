//! The socket and the connections of the admin API.
//!
//! In: an address, or a socket that another process has bound. Out: connections that are served until the process
//! ends. The number and the duration of connections are bounded.

use super::routes::{Hosts, router};
use super::spare_descriptors::SpareDescriptors;
use super::{AdminAddress, View};
use crate::lifecycle::Lifecycle;
use crate::unix_socket::{IfExists, SocketFile, remove_stale};
use axum::Router;
use gatefold_listen::InheritedSocket;
use gatefold_listen::log_throttle::LogThrottle;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of concurrent connections. Further ones wait to be accepted.
const CONNECTIONS: usize = 64;
/// Maximum time to receive the headers of a request, and maximum idle time of a connection.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);
/// Maximum duration of a connection, even if its client reads nothing.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(300);
/// Maximum size of a request's headers in bytes.
const HEADER_SIZE: usize = 16 * 1024;
/// Pause before accepting again if the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The reason why the admin API can't listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Other hosts could connect to the address, and no flag allows that.
    #[error(
        "the admin API would listen on {0}, where other hosts reach it: choose a loopback address or \
         unix:PATH, or allow it with --admin-allow-remote"
    )]
    Remote(AdminAddress),
    /// The operating system refuses.
    #[error(
        "the admin API can't listen on {address}: {error}; choose another address with --admin"
    )]
    Refused {
        /// The address.
        address: AdminAddress,
        /// The reason.
        error: io::Error,
    },
}

/// The bound socket of the admin API.
pub struct Admin {
    socket: Socket,
    address: AdminAddress,
    file: Option<SocketFile>,
    /// The name of the socket in systemd, if systemd opened it.
    activated: Option<String>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Admin {
    /// Binds the address. Must be called within a Tokio runtime. With [`IfExists::Replace`] a Unix socket is bound next to
    /// that of a predecessor; the file of [`take_file`](Self::take_file) replaces the predecessor's.
    ///
    /// # Errors
    ///
    /// If other hosts could connect to the address without `allow_remote`, or if the operating system refuses.
    pub async fn bind(
        address: AdminAddress,
        allow_remote: bool,
        if_exists: IfExists,
    ) -> Result<Self, BindError> {
        if address.is_remote() && !allow_remote {
            return Err(BindError::Remote(address));
        }
        let bound = match &address {
            AdminAddress::Tcp(tcp) => TcpListener::bind(tcp)
                .await
                .map(|tcp| (Socket::Tcp(tcp), None)),
            AdminAddress::Unix(path) => {
                bind_unix(path, if_exists).map(|(socket, file)| (Socket::Unix(socket), Some(file)))
            }
        };
        match bound {
            Ok((socket, file)) => Ok(Admin::new(socket, address, file)),
            Err(error) => Err(BindError::Refused { address, error }),
        }
    }

    /// Uses a socket that another process has bound.
    ///
    /// # Errors
    ///
    /// If other hosts could connect to the address without `allow_remote`, or if the operating system refuses.
    pub fn adopt(inherited: InheritedSocket, allow_remote: bool) -> Result<Self, BindError> {
        let key = inherited.socket.key();
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = AdminAddress::Tcp(key.map_or(unknown, |key| key.address));
        if address.is_remote() && !allow_remote {
            return Err(BindError::Remote(address));
        }
        let adopted = inherited.socket.into_tcp().and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        match adopted {
            Ok(socket) => {
                let mut admin = Admin::new(Socket::Tcp(socket), address, None);
                admin.activated = inherited.activated;
                Ok(admin)
            }
            Err(error) => Err(BindError::Refused { address, error }),
        }
    }

    fn new(socket: Socket, address: AdminAddress, file: Option<SocketFile>) -> Self {
        let address = match &socket {
            // For port 0 the operating system has chosen a port.
            Socket::Tcp(listener) => listener.local_addr().map_or(address, AdminAddress::Tcp),
            Socket::Unix(_) => address,
        };
        Admin {
            socket,
            address,
            file,
            activated: None,
        }
    }

    /// Duplicates a TCP socket for a successor process. `None` for a Unix socket, because the successor binds a new
    /// one.
    ///
    /// # Errors
    ///
    /// If the process has no file descriptors left.
    pub fn lend(&self) -> io::Result<Option<InheritedSocket>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let duplicate = listener.as_fd().try_clone_to_owned()?;
                Ok(Some(InheritedSocket {
                    activated: self.activated.clone(),
                    ..InheritedSocket::from(std::net::TcpListener::from(duplicate))
                }))
            }
            Socket::Unix(_) => Ok(None),
        }
    }

    /// Takes the file of a Unix socket. The caller [places](SocketFile::publish) it and keeps it until the process ends.
    pub fn take_file(&mut self) -> Option<SocketFile> {
        self.file.take()
    }

    /// The bound address.
    pub fn address(&self) -> &AdminAddress {
        &self.address
    }

    /// Serves requests until dropped, or until a successor serves the same TCP socket. A Unix socket that a successor
    /// has replaced gets no new connections.
    pub async fn serve(self, view: View) {
        let mut phase = view.phase.clone();
        let shared = matches!(self.socket, Socket::Tcp(_));
        tokio::select! {
            () = self.accept(view) => {}
            Ok(_) = phase.wait_for(|phase| shared && *phase == Lifecycle::HandedOver) => {}
        }
    }

    async fn accept(&self, view: View) {
        let hosts = match &self.socket {
            Socket::Tcp(_) if !self.address.is_remote() => Hosts::Local,
            _ => Hosts::Any,
        };
        let router = router(view, hosts);
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let spare = Arc::new(SpareDescriptors::new());
        let mut failing = LogThrottle::default();
        loop {
            // The semaphore is never closed.
            let Ok(permit) = permits.clone().acquire_owned().await else {
                return;
            };
            let connection = AdminConnection {
                router: router.clone(),
                spare: spare.clone(),
                _permit: permit,
            };
            let accepted = match &self.socket {
                Socket::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection.serve(stream))
                }),
                Socket::Unix(listener) => listener
                    .accept()
                    .await
                    .map(|(stream, _)| tokio::spawn(connection.serve(stream))),
            };
            let Err(error) = accepted else { continue };
            // The process may have no file descriptors left. Closing a spare one makes room for the connection.
            if !spare.release_one() {
                if failing.is_due() {
                    tracing::warn!(%error, "the admin API can't accept connections and keeps retrying");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                spare.refill();
            }
        }
    }
}

/// A connection of a client.
struct AdminConnection {
    router: Router,
    spare: Arc<SpareDescriptors>,
    _permit: OwnedSemaphorePermit,
}

impl AdminConnection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        serve_connection(stream, self.router).await;
        // The connection's file descriptor is free now.
        self.spare.refill();
    }
}

async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEADER_SIZE);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_DEADLINE, connection).await {
        tracing::debug!(%error, "a connection to the admin API ended early");
    }
}

fn bind_unix(path: &Path, if_exists: IfExists) -> io::Result<(UnixListener, SocketFile)> {
    if if_exists == IfExists::Fail {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another process answers there",
            ));
        }
        remove_stale(path)?;
    }
    let (socket, mut file) = SocketFile::prepare(path, |path| UnixListener::bind(path))?;
    if if_exists == IfExists::Fail {
        file.publish(if_exists)?;
    }
    Ok((socket, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn refuses_remote_addresses_unless_allowed() {
        let everywhere: AdminAddress = "0.0.0.0:0".parse().expect("an address");
        let refused = Admin::bind(everywhere.clone(), false, IfExists::Fail).await;
        assert!(matches!(refused, Err(BindError::Remote(_))));
        assert!(Admin::bind(everywhere, true, IfExists::Fail).await.is_ok());
    }

    #[tokio::test]
    async fn binds_a_private_unix_socket_in_place_of_a_stale_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a stale socket"));
        let address = AdminAddress::Unix(path.clone());
        let admin = Admin::bind(address.clone(), false, IfExists::Fail)
            .await
            .expect("bound");
        let mode = fs::metadata(&path)
            .expect("the socket")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(files, 1, "no other file remains in the folder");
        let second = Admin::bind(address, false, IfExists::Fail).await;
        assert!(
            matches!(second, Err(BindError::Refused { .. })),
            "a socket in use must not be replaced"
        );
        drop(admin);
        assert!(!path.exists(), "the file must be removed with the socket");
    }

    #[tokio::test]
    async fn never_replaces_a_file_that_is_not_a_socket() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notes.txt");
        fs::write(&path, "precious").expect("a file");
        let refused = Admin::bind(AdminAddress::Unix(path.clone()), false, IfExists::Fail).await;
        assert!(matches!(refused, Err(BindError::Refused { .. })));
        assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
    }
}
