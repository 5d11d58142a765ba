use crate::admin::{Admin, View};
use crate::unix_socket::{Place, SocketFile};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// The admin API while it answers, or is about to.
pub(super) struct Answering {
    begin: watch::Sender<bool>,
    task: JoinHandle<()>,
    file: Option<SocketFile>,
}

impl Answering {
    /// Answers from now on; in an upgrade, where a predecessor does so still, when [`answer`](Self::answer) is
    /// called.
    pub(super) fn begin(mut admin: Admin, view: View, upgrade: bool) -> Self {
        let (version, address) = (env!("CARGO_PKG_VERSION"), admin.address().clone());
        let file = admin.take_file();
        let (begin, mut begun) = watch::channel(!upgrade);
        let task = tokio::spawn(async move {
            if begun.wait_for(|begun| *begun).await.is_ok() {
                admin.serve(view).await;
            }
        });
        info!(version, admin = %address, "gatefold starts");
        Answering { begin, task, file }
    }

    /// Answers beside the predecessor, if it has the same TCP socket.
    pub(super) fn answer(&self) {
        let _ = self.begin.send(true);
    }

    /// Puts its Unix socket, if it has one, in the place of the predecessor's.
    pub(super) fn replace(&mut self) {
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.place(Place::Over)) {
            warn!(%error, "the admin API's Unix socket can't be put in place");
        }
    }

    /// Leaves its Unix socket's file, if it has one, to the successor.
    pub(super) fn leave(&mut self) {
        if let Some(file) = self.file.take() {
            file.leave();
        }
    }

    /// Answers no more.
    pub(super) async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
