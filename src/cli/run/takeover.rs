//! Sockets from a predecessor and from systemd, and the handover to a successor.

use super::admin_task::AdminTask;
use crate::admin::{Admin, AdminAddress, BindError};
use crate::cli::Error;
use crate::lifecycle::Lifecycle;
use crate::systemd::{Activation, Notifier};
use crate::unix_socket::{IfExists, SocketFile};
use crate::upgrade::{
    self, Handover, HandoverListener, Predecessor, Release, SocketsRequest, UpgradeError,
};
use anyhow::{Context as _, anyhow};
use gatefold_dataplane::SocketKey;
use gatefold_listen::{HttpApp, InheritedSocket, Sockets};

use std::collections::BTreeMap;

use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

/// The processes that this one gets sockets from and hands them over to.
pub(super) struct Takeover {
    predecessor: Option<Predecessor>,
    activation: Activation,
    handover_listener: Option<HandoverListener>,
}

impl Takeover {
    /// Gets the sockets of the process at `path`, if one runs. Without a path there is neither a predecessor nor a successor.
    pub(super) fn begin(path: Option<&Path>, activation: Activation) -> Result<Self, Error> {
        let Some(path) = path else {
            return Ok(Takeover {
                predecessor: None,
                activation,
                handover_listener: None,
            });
        };
        let predecessor = upgrade::find(path).map_err(usage)?;
        let mut handover_listener = HandoverListener::prepare(path).map_err(usage)?;
        match &predecessor {
            Some(predecessor) => info!(
                process = predecessor.process(),
                version = predecessor.version(),
                sockets = predecessor.sockets.len(),
                "replacing the running gatefold"
            ),
            None => handover_listener.publish(IfExists::Fail).map_err(usage)?,
        }
        Ok(Takeover {
            predecessor,
            activation,
            handover_listener: Some(handover_listener),
        })
    }

    /// Whether there is a predecessor.
    pub(super) fn is_upgrade(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Binds the admin API: to the socket from systemd, whatever its address; else to the predecessor's, if it has the wanted
    /// address; else to a new one. A Unix socket of the predecessor is replaced later.
    pub(super) async fn admin(
        &mut self,
        address: AdminAddress,
        allow_remote: bool,
    ) -> Result<Admin, Error> {
        let predecessor = self.predecessor.as_mut();
        let inherited = predecessor.and_then(|found| found.admin_socket.take());
        let inherited = inherited.or_else(|| self.activation.admin.take());
        let inherited =
            inherited.filter(|found| found.activated.is_some() || is_at(found, &address));
        let bound = match inherited {
            Some(socket) => Admin::adopt(socket, allow_remote),
            None => {
                let same = |found: &Predecessor| found.admin() == absolute(&address);
                let if_exists = if self.predecessor.as_ref().is_some_and(same) {
                    IfExists::Replace
                } else {
                    IfExists::Fail
                };
                Admin::bind(address, allow_remote, if_exists).await
            }
        };
        bound.map_err(|error| match error {
            BindError::Remote(_) => Error::Usage(error.to_string()),
            BindError::Refused { .. } => error.into(),
        })
    }

    /// Adds the listening sockets of the predecessor and of systemd to `sockets`. Returns those from systemd by name.
    pub(super) fn adopt<A: HttpApp>(
        &mut self,
        sockets: &mut Sockets<A>,
    ) -> Result<BTreeMap<String, Vec<SocketKey>>, Error> {
        let mut named: BTreeMap<String, Vec<SocketKey>> = BTreeMap::new();
        let predecessor = self.predecessor.iter_mut();
        let inherited = predecessor.flat_map(|found| found.sockets.drain(..));
        for inherited in inherited.chain(self.activation.listeners.drain(..)) {
            let name = inherited.activated.clone();
            let adopted = sockets.adopt(inherited);
            let key = adopted.context("can't use a socket of another process")?;
            if let Some(name) = name {
                named.entry(name).or_default().push(key);
            }
        }
        Ok(named)
    }

    /// Makes the predecessor stop accepting, now that this process accepts connections. Replaces the predecessor's Unix sockets.
    ///
    /// # Errors
    ///
    /// If the predecessor continues to serve. Then this process must end.
    pub(super) async fn complete(&mut self, admin: &mut AdminTask) -> Result<(), Error> {
        let Some(predecessor) = self.predecessor.take() else {
            return Ok(());
        };
        let process = predecessor.process();
        match tokio::task::spawn_blocking(move || predecessor.release()).await? {
            Release::Released => {
                info!(
                    process,
                    "replaced the predecessor, which finishes its requests"
                );
            }
            Release::Gone => warn!(process, "the predecessor ended before the handover"),
            Release::Refused(reason) => {
                let problem =
                    anyhow!("the running gatefold (process {process}) continues: {reason}");
                return Err(problem.into());
            }
        }
        admin.replace();
        let listener = self.handover_listener.as_mut();
        if let Some(Err(error)) = listener.map(|it| it.publish(IfExists::Replace)) {
            warn!(%error, "further upgrades are not possible");
            self.handover_listener = None;
        }
        Ok(())
    }

    /// Serves successors until the result is dropped.
    pub(super) fn serve(self, handover: Handover) -> Result<Option<SocketFile>, Error> {
        let listener = self.handover_listener;
        let serving = listener
            .map(|listener| listener.serve(handover))
            .transpose();
        Ok(serving.context("can't start a thread for upgrades")?)
    }
}

/// The handover to a successor.
pub(super) fn handover(
    admin: &AdminAddress,
    admin_socket: Option<InheritedSocket>,
    requests: mpsc::Sender<SocketsRequest>,
    lifecycle: &watch::Sender<Lifecycle>,
    notifier: &Arc<Notifier>,
) -> Handover {
    let (lifecycle, notifier) = (lifecycle.clone(), notifier.clone());
    let release = move |successor| {
        // Only the current main process of the service can name the next one.
        let sent = notifier.main_process(successor);
        sent.map_err(|error| format!("systemd doesn't accept the new main process: {error}"))?;
        Lifecycle::leave(&lifecycle, Lifecycle::HandedOver);
        Ok(())
    };
    Handover {
        requests,
        admin: absolute(admin),
        admin_socket,
        release: Box::new(release),
    }
}

/// Distinguishes errors of use from other errors.
fn usage(error: UpgradeError) -> Error {
    match error {
        UpgradeError::Folder(_) => Error::Usage(error.to_string()),
        UpgradeError::Socket { .. } | UpgradeError::Refused { .. } => error.into(),
    }
}

/// The address in a form that doesn't depend on the working directory.
fn absolute(address: &AdminAddress) -> String {
    match address {
        AdminAddress::Tcp(_) => address.to_string(),
        AdminAddress::Unix(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            AdminAddress::Unix(path).to_string()
        }
    }
}

/// Whether a socket has the wanted address. Port 0 matches any port.
fn is_at(inherited: &InheritedSocket, wanted: &AdminAddress) -> bool {
    let (Ok(found), AdminAddress::Tcp(wanted)) = (inherited.socket.key(), wanted) else {
        return false;
    };
    let wanted = SocketKey::tcp(*wanted);
    found == wanted || (wanted.port() == 0 && found.ip() == wanted.ip())
}
