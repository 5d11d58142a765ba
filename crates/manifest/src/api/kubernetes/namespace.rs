//! Namespace.

use crate::api::{Object, object};

/// A namespace. Namespaces that other objects mention exist without such an object.
pub type Namespace = Object<NamespaceFields>;

object! {
    /// Of a Namespace only the labels are used.
    #[derive(Default)]
    pub open NamespaceFields {}
}
