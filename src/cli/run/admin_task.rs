//! The task that serves the admin API.

use crate::admin::{Admin, View};
use crate::unix_socket::{IfExists, SocketFile};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// The admin API while it runs, or is about to.
pub(super) struct AdminTask {
    begin: watch::Sender<bool>,
    task: JoinHandle<()>,
    file: Option<SocketFile>,
}

impl AdminTask {
    /// Starts the task. It answers at once, or in an upgrade after [`answer`](Self::answer): until then the predecessor
    /// answers.
    pub(super) fn start(mut admin: Admin, view: View, upgrade: bool) -> Self {
        let (version, address) = (env!("CARGO_PKG_VERSION"), admin.address().clone());
        let file = admin.take_file();
        let (begin, mut begun) = watch::channel(!upgrade);
        let task = tokio::spawn(async move {
            if begun.wait_for(|begun| *begun).await.is_ok() {
                admin.serve(view).await;
            }
        });
        info!(version, admin = %address, "gatefold starts");
        AdminTask { begin, task, file }
    }

    /// Starts to answer. The predecessor answers too, if it has the same TCP socket.
    pub(super) fn answer(&self) {
        let _ = self.begin.send(true);
    }

    /// Replaces the predecessor's Unix socket with its own, if it has one.
    pub(super) fn replace(&mut self) {
        let replaced = self
            .file
            .as_mut()
            .map(|file| file.publish(IfExists::Replace));
        if let Some(Err(error)) = replaced {
            warn!(%error, "the admin API's Unix socket can't replace the previous one");
        }
    }

    /// Leaves the file of its Unix socket, if it has one, to the successor.
    pub(super) fn leave(&mut self) {
        if let Some(file) = self.file.take() {
            file.leave();
        }
    }

    /// Stops answering.
    pub(super) async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
