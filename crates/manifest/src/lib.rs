//! Load: files become [`Resources`].
//!
//! In: folders of YAML and JSON. Out: typed Kubernetes objects, each with its place in a file, and a
//! diagnostic for everything that is wrong with them. Never here: sockets, what a reference leads to,
//! whether a Gateway can serve a route.

pub mod api;
mod busy;
mod decode;
mod decode_scalar;
mod departed;
mod doubt;
mod file;
mod in_force;
mod kind;
mod last_good;
mod loader;
mod look;
mod name;
mod object;
mod outcome;
mod policy;
mod problems;
mod read;
mod resources;
mod schema;
mod suspicion;
mod touched;
mod version;

#[cfg(test)]
mod tests;

pub use busy::Busy;
pub use decode::{Decode, Decoder, Fields};
pub use loader::{Loaded, Loader, Update};
pub use policy::{PolicyKey, UnreadPolicy};
pub use read::{FILE_SIZE, Fingerprint, Fingerprints, scan};
pub use read::{is_hidden, is_manifest};
pub use resources::{NAMESPACE_NAME_LABEL, Objects, Resources};
pub use touched::Touched;
