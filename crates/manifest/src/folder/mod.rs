//! Finds and reads the files of folders, and keeps their last good contents.

mod busy;
mod doubt;
mod file_state;
mod last_good;
mod load_pass;
mod loader;
mod merge;
mod problems;
mod renamed;
mod scan;
mod touched;

pub use busy::Busy;
pub use loader::{Loaded, Loader, Update};
pub use scan::{FILE_SIZE, Fingerprint, Fingerprints, is_hidden, is_manifest, scan};
pub use touched::Touched;
