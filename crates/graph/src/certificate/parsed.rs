//! Parses each Secret and ConfigMap once, however many listeners refer to it and however often the configuration is reloaded.
//!
//! In: an object, and what was parsed for the previous graph. Out: what was loaded from it, if the object is the same.
//! Objects are compared by address (docs/decisions/reuse-by-identity.md).

use super::last_good::{CaBundle, LoadedCertificate};
use super::tls_secret::Certificate;
use gatefold_manifest::api::{ConfigMap, NamespacedName, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the references of a graph have loaded.
#[derive(Debug, Default)]
pub(crate) struct ParsedCertificates {
    /// By Secret.
    pub(super) pairs: ParsedObjects<Secret, Arc<Certificate>>,
    /// By ConfigMap.
    pub(super) authorities: ParsedObjects<ConfigMap, CaBundle>,
}

/// Objects of one kind, each with what was loaded from it. The object is kept, so that no other object has its address.
#[derive(Debug)]
pub(super) struct ParsedObjects<O, T>(BTreeMap<NamespacedName, (Arc<O>, LoadedCertificate<T>)>);

impl<O, T> Default for ParsedObjects<O, T> {
    fn default() -> Self {
        ParsedObjects(BTreeMap::new())
    }
}

impl<O, T: Clone> ParsedObjects<O, T> {
    /// Returns what was loaded from an object for this graph, or else for the previous one. Parsing it again would have the
    /// same result: an object that became unusable before the previous graph keeps the same last good content.
    pub(super) fn find(
        &self,
        before: &Self,
        key: &NamespacedName,
        object: &Arc<O>,
    ) -> Option<LoadedCertificate<T>> {
        let mut known = [self, before].into_iter();
        known.find_map(|known| {
            let (parsed, loaded) = known.0.get(key)?;
            Arc::ptr_eq(parsed, object).then(|| loaded.clone())
        })
    }

    /// Records what was loaded from an object.
    pub(super) fn add(
        &mut self,
        key: &NamespacedName,
        object: &Arc<O>,
        loaded: &LoadedCertificate<T>,
    ) {
        if !self.0.contains_key(key) {
            let entry = (object.clone(), loaded.clone());
            self.0.insert(key.clone(), entry);
        }
    }
}
