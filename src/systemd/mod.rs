//! Integration with systemd: sockets and credentials from it, and notifications to it.
//!
//! In: the environment variables of sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3) and systemd.exec(5).
//! Out: listening sockets with their names, notifications, a folder of credentials. Without these variables
//! this module does nothing.

mod activation;
mod notifier;
mod watchdog;

pub use activation::Activation;
pub use notifier::Notifier;
pub use watchdog::run_with_watchdog;

use std::path::PathBuf;

/// The folder with the credentials of the service (`LoadCredential=`, `ImportCredential=`), if it has any.
pub fn credentials() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?);
    folder.is_dir().then_some(folder)
}
