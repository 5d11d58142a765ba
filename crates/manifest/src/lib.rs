//! Load: files become [`Resources`].
//!
//! In: folders of YAML and JSON. Out: typed Kubernetes objects, each with its place in a file, and a
//! diagnostic for everything that is wrong with them. Never here: sockets, what a reference leads to,
//! whether a Gateway can serve a route.

pub mod api;
mod decode;
mod folder;
mod kind;
mod resources;
mod unread_policy;

#[cfg(test)]
mod tests;

pub(crate) use decode::{Decode, Decoder};
pub use folder::{
    ChangeHint, FILE_SIZE, FileEvent, FolderScan, Loaded, Loader, Settling, SettlingFiles, Update,
    is_hidden, is_manifest, scan,
};
pub use kind::{Invalidates, Kind, Resource, Scope, Spec};
pub use resources::{
    Change, Difference, NAMESPACE_NAME_LABEL, ObjectRef, ObjectRefs, Objects, Resources,
};
pub use unread_policy::{PolicyKey, UnreadPolicy};
