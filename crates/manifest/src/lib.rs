//! Load: files become [`Resources`].
//!
//! In: folders of YAML and JSON. Out: typed Kubernetes objects, each with its place in a file, and a
//! diagnostic for everything that is wrong with them. Never here: sockets, what a reference leads to,
//! whether a Gateway can serve a route.

mod alias;
pub mod api;
mod busy;
mod decode;
mod decode_scalar;
mod departed;
mod did_you_mean;
mod document;
mod doubt;
mod file;
mod findings;
mod in_force;
mod kind;
mod last_good;
mod loader;
mod look;
mod name;
mod node;
mod object;
mod outcome;
mod parse;
mod policy;
mod problems;
mod read;
mod resources;
mod scalar;
mod schema;
mod split;
mod suspicion;
mod syntax;
mod touched;
mod version;

#[cfg(test)]
mod tests;

pub use busy::Busy;
pub use decode::{Decode, Decoder, Fields};
pub(crate) use did_you_mean::did_you_mean;
pub use document::document_json;
pub(crate) use document::parse_document;
pub use loader::{Loaded, Loader, Update};
pub use node::{Key, Node, Span, Value};
pub use policy::{PolicyKey, UnreadPolicy};
pub use read::{FILE_SIZE, Fingerprint, Fingerprints, scan};
pub(crate) use read::{is_hidden, is_manifest};
pub use resources::{NAMESPACE_NAME_LABEL, Objects, Resources};
pub use touched::Touched;
