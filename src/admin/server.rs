use super::routes::{Hosts, router};
use super::spare::Spare;
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

/// How many connections are served at once; further ones wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long a client may take for a request's headers, and how long a connection may be idle.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);
/// How long a connection lives at most: also one whose client reads nothing.
const LIFE: Duration = Duration::from_secs(300);
/// How much of a request's headers is read.
const HEADER_SIZE: usize = 16 * 1024;
/// How long to wait when the system has no sockets left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the admin API can't listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Other hosts could reach it, and nobody said that they may.
    #[error(
        "the admin API would listen on {0}, where other hosts reach it: choose a loopback address or \
         unix:PATH, or allow it with --admin-allow-remote"
    )]
    Remote(AdminAddress),
    /// The system refuses.
    #[error(
        "the admin API can't listen on {address}: {error}; choose another address with --admin"
    )]
    Refused {
        /// Where.
        address: AdminAddress,
        /// The system's reason.
        error: io::Error,
    },
}

/// The admin API's socket, bound.
pub struct Admin {
    socket: Socket,
    address: AdminAddress,
    file: Option<SocketFile>,
    /// The name that systemd gave the socket.
    activated: Option<String>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Admin {
    /// Binds. Call it within a Tokio runtime. With [`IfExists::Replace`] a Unix socket is bound beside the one of a
    /// predecessor: [`take_file`](Self::take_file) puts it in place.
    ///
    /// # Errors
    ///
    /// An address for other hosts without `allow_remote`, or what the system says.
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

    /// Takes a socket that another process has bound.
    ///
    /// # Errors
    ///
    /// An address for other hosts without `allow_remote`, or what the system says.
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
            // The system chose the port if it was 0.
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

    /// A duplicate of its socket for a successor, if it is one of TCP. One at a Unix socket binds a new one.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left.
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

    /// The file of a Unix socket, to be [placed](SocketFile::publish) in time and kept until the end.
    pub fn take_file(&mut self) -> Option<SocketFile> {
        self.file.take()
    }

    /// The address that is bound.
    pub fn address(&self) -> &AdminAddress {
        &self.address
    }

    /// Answers until dropped, or until a successor answers on the same socket. Nobody finds a Unix socket any
    /// more that a successor has replaced, so there is nothing to do.
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
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let spare = Arc::new(Spare::new());
        let mut failing = LogThrottle::default();
        loop {
            // The semaphore is never closed.
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let visit = Visit {
                router: router.clone(),
                spare: spare.clone(),
                _place: place,
            };
            let accepted = match &self.socket {
                Socket::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(visit.serve(stream))
                }),
                Socket::Unix(listener) => listener
                    .accept()
                    .await
                    .map(|(stream, _)| tokio::spawn(visit.serve(stream))),
            };
            let Err(error) = accepted else { continue };
            // Clients may have taken all file descriptors, and this is where one sees it.
            if !spare.give_up_one() {
                if failing.is_due() {
                    tracing::warn!(%error, "the admin API can't accept connections and keeps trying");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                spare.refill();
            }
        }
    }
}

/// One connection.
struct Visit {
    router: Router,
    spare: Arc<Spare>,
    _place: OwnedSemaphorePermit,
}

impl Visit {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        serve_connection(stream, self.router).await;
        // Its file descriptor is free now; others wait for one too.
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
    if let Ok(Err(error)) = tokio::time::timeout(LIFE, connection).await {
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
    async fn an_address_for_other_hosts_needs_permission() {
        let everywhere: AdminAddress = "0.0.0.0:0".parse().expect("an address");
        let refused = Admin::bind(everywhere.clone(), false, IfExists::Fail).await;
        assert!(matches!(refused, Err(BindError::Remote(_))));
        assert!(Admin::bind(everywhere, true, IfExists::Fail).await.is_ok());
    }

    #[tokio::test]
    async fn a_unix_socket_is_its_owners_and_a_stale_one_is_replaced() {
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
        assert_eq!(files, 1, "nothing is left beside the socket");
        let second = Admin::bind(address, false, IfExists::Fail).await;
        assert!(
            matches!(second, Err(BindError::Refused { .. })),
            "one that is in use stays"
        );
        drop(admin);
        assert!(!path.exists(), "the file goes with the socket");
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notes.txt");
        fs::write(&path, "precious").expect("a file");
        let refused = Admin::bind(AdminAddress::Unix(path.clone()), false, IfExists::Fail).await;
        assert!(matches!(refused, Err(BindError::Refused { .. })));
        assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
    }
}
