use super::routes::{Hosts, router};
use super::{AdminAddress, View};
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

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
    _file: Option<RemovedAtEnd>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket's file, which would be in the way after the end.
struct RemovedAtEnd(PathBuf);

impl Drop for RemovedAtEnd {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Admin {
    /// Binds. Call it within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// An address for other hosts without `allow_remote`, or what the system says.
    pub async fn bind(address: AdminAddress, allow_remote: bool) -> Result<Self, BindError> {
        if address.is_remote() && !allow_remote {
            return Err(BindError::Remote(address));
        }
        let bound = match &address {
            AdminAddress::Tcp(tcp) => TcpListener::bind(tcp).await.map(Socket::Tcp),
            AdminAddress::Unix(path) => bind_unix(path).map(Socket::Unix),
        };
        let socket = match bound {
            Ok(socket) => socket,
            Err(error) => return Err(BindError::Refused { address, error }),
        };
        let file = match &address {
            AdminAddress::Tcp(_) => None,
            AdminAddress::Unix(path) => Some(RemovedAtEnd(path.clone())),
        };
        let address = match &socket {
            // The system chose the port if it was 0.
            Socket::Tcp(listener) => listener.local_addr().map_or(address, AdminAddress::Tcp),
            Socket::Unix(_) => address,
        };
        Ok(Admin {
            socket,
            address,
            _file: file,
        })
    }

    /// The address that is bound.
    pub fn address(&self) -> &AdminAddress {
        &self.address
    }

    /// Answers until dropped.
    pub async fn serve(self, view: View) {
        let hosts = match &self.socket {
            Socket::Tcp(_) if !self.address.is_remote() => Hosts::Local,
            _ => Hosts::Any,
        };
        let router = router(view, hosts);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let router = router.clone();
            let accepted = match &self.socket {
                Socket::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(async move {
                        serve_connection(stream, router).await;
                        drop(place);
                    })
                }),
                Socket::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                    tokio::spawn(async move {
                        serve_connection(stream, router).await;
                        drop(place);
                    })
                }),
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "the admin API can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
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

/// Binds a socket that nobody but its owner can ever open: it is made in a folder of its own, and moved into
/// place when its permissions are right.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process answers there",
        ));
    }
    if fs::symlink_metadata(path).is_ok_and(|found| !is_socket(&found)) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    let mut folder = path.as_os_str().to_owned();
    folder.push(format!(".{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let inside = Path::new(&folder).join("s");
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&inside, path)?;
        Ok(listener)
    });
    let _ = fs::remove_dir_all(&folder);
    bound
}

fn is_socket(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    metadata.file_type().is_socket()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_for_other_hosts_needs_permission() {
        let everywhere: AdminAddress = "0.0.0.0:0".parse().expect("an address");
        let refused = Admin::bind(everywhere.clone(), false).await;
        assert!(matches!(refused, Err(BindError::Remote(_))));
        assert!(Admin::bind(everywhere, true).await.is_ok());
    }

    #[tokio::test]
    async fn a_unix_socket_is_its_owners_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a stale socket"));
        let address = AdminAddress::Unix(path.clone());
        let admin = Admin::bind(address.clone(), false).await.expect("bound");
        let mode = fs::metadata(&path)
            .expect("the socket")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(files, 1, "nothing is left beside the socket");
        let second = Admin::bind(address, false).await;
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
        let refused = Admin::bind(AdminAddress::Unix(path.clone()), false).await;
        assert!(matches!(refused, Err(BindError::Refused { .. })));
        assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
    }
}
