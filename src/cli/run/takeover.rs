use super::answering::Answering;
use crate::admin::{Admin, AdminAddress, BindError};
use crate::cli::Error;
use crate::lifecycle::Phase;
use crate::systemd::{Activation, Notifier};
use crate::unix_socket::{Place, SocketFile};
use crate::upgrade::{self, Doorway, Host, Loan, Predecessor, Release};
use anyhow::{Context as _, anyhow};
use gatefold_listen::{Inherited, Sockets};
use pingora_core::apps::ServerApp;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

/// How this process comes to its sockets, and how it gives them on.
pub(super) struct Takeover {
    predecessor: Option<Predecessor>,
    activation: Activation,
    doorway: Option<Doorway>,
}

impl Takeover {
    /// Looks for a process to take over from. Without a path there is none, nor will there be a successor.
    pub(super) fn begin(path: Option<&Path>, activation: Activation) -> Result<Self, Error> {
        let Some(path) = path else {
            return Ok(Takeover {
                predecessor: None,
                activation,
                doorway: None,
            });
        };
        let predecessor = upgrade::find(path).map_err(usage)?;
        let mut doorway = Doorway::prepare(path).map_err(usage)?;
        match &predecessor {
            Some(predecessor) => info!(
                process = predecessor.process(),
                version = predecessor.version(),
                sockets = predecessor.sockets.len(),
                "taking over from the gatefold that runs"
            ),
            None => doorway.place(Place::Free).map_err(usage)?,
        }
        Ok(Takeover {
            predecessor,
            activation,
            doorway: Some(doorway),
        })
    }

    /// Whether there is a predecessor.
    pub(super) fn is_upgrade(&self) -> bool {
        self.predecessor.is_some()
    }

    /// The admin API: at the socket of systemd's whatever its address is, at the predecessor's when it is the
    /// one that is asked for, or else at a new one. A Unix socket of the predecessor's is replaced later.
    pub(super) async fn admin(
        &mut self,
        address: AdminAddress,
        allow_remote: bool,
    ) -> Result<Admin, Error> {
        let predecessor = self.predecessor.as_mut();
        let inherited = predecessor.and_then(|found| found.admin_socket.take());
        let inherited = inherited.or_else(|| self.activation.admin.take());
        let inherited =
            inherited.filter(|found| found.activated.is_some() || is_at(&found.listener, &address));
        let bound = match inherited {
            Some(socket) => Admin::adopt(socket, allow_remote),
            None => {
                let same = |found: &Predecessor| found.admin() == absolute(&address);
                let place = match self.predecessor.as_ref().is_some_and(same) {
                    true => Place::Over,
                    false => Place::Free,
                };
                Admin::bind(address, allow_remote, place).await
            }
        };
        bound.map_err(|error| match error {
            BindError::Remote(_) => Error::Usage(error.to_string()),
            BindError::Refused { .. } => error.into(),
        })
    }

    /// Gives the listening sockets of the predecessor and of systemd to those who use them, and tells the names
    /// that systemd's have.
    pub(super) fn adopt<A: ServerApp + Send + Sync + 'static>(
        &mut self,
        sockets: &mut Sockets<A>,
    ) -> Result<BTreeMap<String, Vec<SocketAddr>>, Error> {
        let mut named: BTreeMap<String, Vec<SocketAddr>> = BTreeMap::new();
        let predecessor = self.predecessor.iter_mut();
        let inherited = predecessor.flat_map(|found| found.sockets.drain(..));
        for inherited in inherited.chain(self.activation.listeners.drain(..)) {
            let name = inherited.activated.clone();
            let adopted = sockets.adopt(inherited);
            let address = adopted.context("can't use a socket of another process")?;
            if let Some(name) = name {
                named.entry(name).or_default().push(address);
            }
        }
        Ok(named)
    }

    /// Connections are accepted here: has the predecessor accept no more, and puts this process's Unix sockets
    /// in the place of its.
    ///
    /// # Errors
    ///
    /// When the predecessor goes on all the same. Then this process must end.
    pub(super) async fn complete(&mut self, admin: &mut Answering) -> Result<(), Error> {
        let Some(predecessor) = self.predecessor.take() else {
            return Ok(());
        };
        let process = predecessor.process();
        match tokio::task::spawn_blocking(move || predecessor.release()).await? {
            Release::Released => info!(process, "took over; the predecessor finishes its requests"),
            Release::Gone => warn!(process, "the predecessor has gone before it was told to"),
            Release::Refused(reason) => {
                let problem =
                    anyhow!("the gatefold that runs (process {process}) goes on: {reason}");
                return Err(problem.into());
            }
        }
        admin.replace();
        if let Some(Err(error)) = self.doorway.as_mut().map(|door| door.place(Place::Over)) {
            warn!(%error, "there can be no further upgrade");
            self.doorway = None;
        }
        Ok(())
    }

    /// From now on successors are let in, until what is given is dropped.
    pub(super) fn open(self, host: Host) -> Result<Option<SocketFile>, Error> {
        let opened = self.doorway.map(|doorway| doorway.open(host)).transpose();
        Ok(opened.context("can't start a thread for upgrades")?)
    }
}

/// What a successor is given.
pub(super) fn host(
    admin: &AdminAddress,
    admin_socket: Option<Inherited>,
    loans: mpsc::Sender<Loan>,
    phase: &watch::Sender<Phase>,
    notifier: &Arc<Notifier>,
) -> Host {
    let (phase, notifier) = (phase.clone(), notifier.clone());
    let release = move |successor| {
        // While this process is the service still, or systemd wouldn't listen.
        let told = notifier.main_process(successor);
        told.map_err(|error| format!("systemd can't be told of the new main process: {error}"))?;
        Phase::leave(&phase, Phase::HandedOver);
        Ok(())
    };
    Host {
        loans,
        admin: absolute(admin),
        admin_socket,
        release: Box::new(release),
    }
}

/// Wrong use, or anything else.
fn usage(error: upgrade::Error) -> Error {
    match error {
        upgrade::Error::Folder(_) => Error::Usage(error.to_string()),
        upgrade::Error::Socket { .. } | upgrade::Error::Refused { .. } => error.into(),
    }
}

/// The same for every working directory.
fn absolute(address: &AdminAddress) -> String {
    match address {
        AdminAddress::Tcp(_) => address.to_string(),
        AdminAddress::Unix(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            AdminAddress::Unix(path).to_string()
        }
    }
}

/// Whether a socket is the one that is asked for; any port will do when the system may choose.
fn is_at(socket: &TcpListener, wanted: &AdminAddress) -> bool {
    let (Ok(found), AdminAddress::Tcp(wanted)) = (socket.local_addr(), wanted) else {
        return false;
    };
    found == *wanted || (wanted.port() == 0 && found == SocketAddr::new(wanted.ip(), found.port()))
}
