//! Load: files become [`Resources`].
//!
//! In: folders of YAML and JSON. Out: typed Kubernetes objects, each with its place in a file, and a
//! diagnostic for everything that is wrong with them. Never here: sockets, what a reference leads to,
//! whether a Gateway can serve a route.

pub mod api;
mod decode;
mod node;
mod resources;
mod schema;

pub use decode::{Decode, Decoder, Fields};
pub use node::{Key, Node, Span, Value};
pub use resources::{NAMESPACE_NAME_LABEL, Resources};
