//! The content of each Secret and ConfigMap that a graph refers to, loaded once however many listeners refer to it.
//!
//! In: an object, and what was loaded for the previous graph. Out: the same content if the object is the same; objects are compared
//! by address (docs/decisions/reuse-by-identity.md). Otherwise the object is parsed, and keeps its last good content if it has become
//! unusable.

use super::last_good::{CaBundle, LoadedCertificate};
use super::tls_secret::Certificate;
use gatefold_manifest::api::{ConfigMap, NamespacedName, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the references of a graph have loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadedCertificates {
    /// By Secret.
    pub(super) pairs: LoadedObjects<Secret, Arc<Certificate>>,
    /// By ConfigMap.
    pub(super) authorities: LoadedObjects<ConfigMap, CaBundle>,
    /// By Secret.
    pub(super) secret_authorities: LoadedObjects<Secret, CaBundle>,
}

impl LoadedCertificates {
    /// Whether the content in force of an object differs from its current one.
    pub(crate) fn keep_last_good(&self) -> bool {
        self.pairs.keep_last_good()
            || self.authorities.keep_last_good()
            || self.secret_authorities.keep_last_good()
    }

    /// Returns the content in force without the objects, so that the next graph parses all of them.
    pub(crate) fn without_objects(&self) -> Self {
        LoadedCertificates {
            pairs: self.pairs.without_objects(),
            authorities: self.authorities.without_objects(),
            secret_authorities: self.secret_authorities.without_objects(),
        }
    }
}

/// What was loaded from objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct LoadedObjects<O, T>(BTreeMap<NamespacedName, LoadedObject<O, T>>);

#[derive(Clone, Debug)]
struct LoadedObject<O, T> {
    /// The object. It is kept so that no other object has its address.
    object: Option<Arc<O>>,
    loaded: LoadedCertificate<T>,
}

impl<O, T> Default for LoadedObjects<O, T> {
    fn default() -> Self {
        LoadedObjects(BTreeMap::new())
    }
}

impl<O, T: Clone> LoadedObjects<O, T> {
    /// Returns what was loaded from an object for this graph, or for the previous one if it is the same object: parsing it again
    /// would have the same result. Otherwise calls `parse` with the content that was in force.
    pub(super) fn load(
        &mut self,
        before: &Self,
        key: NamespacedName,
        object: &Arc<O>,
        parse: impl FnOnce(Option<T>) -> LoadedCertificate<T>,
    ) -> LoadedCertificate<T> {
        let before = before.0.get(&key);
        let load = || {
            let is_same = |known: &Arc<O>| Arc::ptr_eq(known, object);
            let loaded = match before {
                Some(known) if known.object.as_ref().is_some_and(is_same) => known.loaded.clone(),
                known => parse(known.and_then(|it| it.loaded.in_force.clone())),
            };
            let object = Some(object.clone());
            LoadedObject { object, loaded }
        };
        self.0.entry(key).or_insert_with(load).loaded.clone()
    }

    fn keep_last_good(&self) -> bool {
        self.0.values().any(|it| it.loaded.keeps_last_good())
    }

    fn without_objects(&self) -> Self {
        let entries = self.0.iter().map(|(key, known)| {
            let loaded = known.loaded.clone();
            let object = None;
            (key.clone(), LoadedObject { object, loaded })
        });
        LoadedObjects(entries.collect())
    }
}
