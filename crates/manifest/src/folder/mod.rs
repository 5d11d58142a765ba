//! Finds and reads the files of folders.
//!
//! In: paths of folders and files, and hints about what has changed. Out: the objects in force and the diagnostics of all
//! files. A file is read only if its fingerprint has changed and the file is complete. A file that becomes invalid keeps
//! its last good objects.

mod change_hint;
mod decode_again;
mod file_state;
mod file_text;
mod fingerprint;
mod helm_chart;
mod last_good;
mod loader;
mod problems;
mod scan;
mod settling;

pub use change_hint::ChangeHint;
pub use file_text::FILE_SIZE;
pub use loader::{Loaded, Loader, Update};
pub use scan::{FolderScan, is_hidden, is_manifest, scan};
pub use settling::{FileEvent, Settling, SettlingFiles};
