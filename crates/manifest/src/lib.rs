//! Loads folders of manifests into [`Resources`].
//!
//! In: folders of YAML and JSON files. Out: typed Kubernetes objects, each with its position in a file, and a diagnostic for
//! every problem. Never opens a socket, resolves a reference, or decides whether a Gateway can serve a route.
//!
//! - `folder` finds and reads files, and keeps their last good contents;
//! - `decode` turns documents into objects;
//! - `kustomize` decides what a file contains because of kustomizations, and `substitution` has the variables;
//! - `kind` is the table of kinds, and [`Resources`] has the objects of each kind;
//! - [`api`] has the types of the kinds;
//! - `refused` has the names of objects that aren't in force;
//! - `unread_policy` has the policies of other kinds, as far as they protect something;
//! - `unread_route` has the routes of kinds that aren't read yet.

pub mod api;
mod decode;
mod folder;
mod kind;
mod kustomize;
mod options;
mod refused;
mod resources;
mod substitution;
mod unread_policy;
mod unread_route;

#[cfg(test)]
mod tests;

pub use decode::not_a_manifest::{DocumentType, PassedOver};
pub(crate) use decode::{Decode, Decoder};
pub use folder::{
    ChangeHint, FILE_SIZE, FileEvent, FolderScan, Loaded, Loader, Settling, SettlingFiles, Update,
    is_hidden, is_manifest, scan,
};
pub use kind::{Invalidates, Kind, Resource, Scope, Spec};
pub use options::{LoadOptions, Substitution, parse_namespace};
pub use refused::{RefusalReason, RefusedObject, RefusedObjects};
pub use resources::{Change, Difference, ObjectRef, ObjectRefs, Objects, Resources};
pub use unread_policy::{PolicyKey, UnreadPolicy};
pub use unread_route::{UnreadParent, UnreadRoute, UnreadRouteKind, UnreadRoutes};
