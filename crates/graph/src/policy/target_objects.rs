//! The objects that policies target, whatever their kind.
//!
//! A kind that policies target implements [`TargetFields`]. Routes do so in their own modules.

use crate::name_pointer;
use crate::reference::NamedObjects;
use gatefold_diagnostic::{Place, Pointer};
use gatefold_manifest::Spec;
use gatefold_manifest::api::{
    GatewaySpec, ListenerSetSpec, NamespacedName, Object, ObjectMeta, ServiceSpec,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The fields of a kind that policies target.
pub(crate) trait TargetFields: Spec<Key = NamespacedName> {
    /// The field of `spec` that lists its sections.
    const LIST: &'static str;

    /// The names of its sections, in order. A section without a name is an empty string.
    fn sections(&self) -> Vec<&str>;
}

impl TargetFields for GatewaySpec {
    const LIST: &'static str = "listeners";

    fn sections(&self) -> Vec<&str> {
        self.listeners.iter().map(|it| it.name.as_str()).collect()
    }
}

impl TargetFields for ListenerSetSpec {
    const LIST: &'static str = "listeners";

    fn sections(&self) -> Vec<&str> {
        self.listeners.iter().map(|it| it.name.as_str()).collect()
    }
}

impl TargetFields for ServiceSpec {
    const LIST: &'static str = "ports";

    fn sections(&self) -> Vec<&str> {
        self.ports.iter().map(|it| it.name.as_str()).collect()
    }
}

/// The objects of a kind that policies target.
pub(crate) trait TargetObjects: NamedObjects {
    /// The names of an object's sections, in order.
    fn sections(&self, key: &NamespacedName) -> Vec<&str>;

    /// The place of an object's name, or of the name of its section at `index`.
    fn place(&self, key: &NamespacedName, index: Option<usize>) -> Option<Place>;

    /// The objects for which `selects` returns true.
    fn select(&self, selects: &dyn Fn(&NamespacedName, &ObjectMeta) -> bool)
    -> Vec<NamespacedName>;
}

impl<S: TargetFields> TargetObjects for BTreeMap<NamespacedName, Arc<Object<S>>> {
    fn sections(&self, key: &NamespacedName) -> Vec<&str> {
        let object = self.get(key);
        object.map_or_else(Vec::new, |it| it.spec.sections())
    }

    fn place(&self, key: &NamespacedName, index: Option<usize>) -> Option<Place> {
        let pointer = match index {
            Some(index) => Pointer::spec().key(S::LIST).index(index).key("name"),
            None => name_pointer(),
        };
        Some(self.get(key)?.place(pointer))
    }

    fn select(
        &self,
        selects: &dyn Fn(&NamespacedName, &ObjectMeta) -> bool,
    ) -> Vec<NamespacedName> {
        let selected = self
            .iter()
            .filter(|(key, object)| selects(key, &object.meta));
        selected.map(|(key, _)| key.clone()).collect()
    }
}
