//! What every object that [`Resources`] holds has in common, whether gatefold reads its kind or not.

use super::{ObjectKey, Spec};
use crate::api::{Object, ObjectMeta};
use crate::decode::name;
use crate::unread_policy::{PolicyKey, UnreadPolicy};
use crate::{Objects, Resources};
use gatefold_diagnostic::{Document, Place, ResourceId};
use std::collections::btree_map::Entry;
use std::fmt::Debug;
use std::sync::Arc;

/// An object in [`Resources`].
pub trait Resource: Clone + Debug + Send + Sync + 'static {
    /// What identifies the object among those of its set.
    type Key: Clone + Debug + Ord + Send + Sync;

    /// The set that holds such objects.
    fn set(resources: &mut Resources) -> &mut Objects<Self>;
    /// What identifies the object in its set.
    fn set_key(&self) -> Self::Key;
    /// What a diagnostic calls it.
    fn id(&self) -> ResourceId;
    /// `metadata`.
    fn meta(&self) -> &ObjectMeta;
    /// The document that defines it.
    fn document(&self) -> &Document;
    /// The same object, defined by another document.
    fn moved(&self, document: Document) -> Self;
    /// Whether both have the same content, wherever they are defined.
    fn has_same_content(&self, other: &Self) -> bool;

    /// The key of the policy, if the object is one of a kind that gatefold doesn't read.
    fn unread_policy(&self) -> Option<&PolicyKey> {
        None
    }

    /// Adds the object to its set, or returns the place of the object with its name that is already there.
    fn insert(self: &Arc<Self>, resources: &mut Resources) -> Result<(), Place> {
        match Arc::make_mut(Self::set(resources)).entry(self.set_key()) {
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(self));
                Ok(())
            }
            Entry::Occupied(first) => Err(first.get().name_place()),
        }
    }

    /// The place of `metadata.name`.
    fn name_place(&self) -> Place {
        Place::Field {
            document: self.document().clone(),
            pointer: name::pointer(),
        }
    }
}

impl<S: Spec> Resource for Object<S> {
    type Key = S::Key;

    fn set(resources: &mut Resources) -> &mut Objects<Self> {
        S::objects_mut(resources)
    }

    fn set_key(&self) -> S::Key {
        S::Key::of(&self.meta)
    }

    fn id(&self) -> ResourceId {
        Object::id(self)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn document(&self) -> &Document {
        &self.document
    }

    fn moved(&self, document: Document) -> Self {
        Object {
            document,
            ..self.clone()
        }
    }

    fn has_same_content(&self, other: &Self) -> bool {
        self.meta == other.meta && self.spec == other.spec && self.api_version == other.api_version
    }
}

impl Resource for UnreadPolicy {
    type Key = PolicyKey;

    fn set(resources: &mut Resources) -> &mut Objects<Self> {
        &mut resources.unread_policies
    }

    fn set_key(&self) -> PolicyKey {
        self.key.clone()
    }

    fn id(&self) -> ResourceId {
        UnreadPolicy::id(self)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn document(&self) -> &Document {
        &self.document
    }

    fn moved(&self, document: Document) -> Self {
        UnreadPolicy {
            document,
            ..self.clone()
        }
    }

    fn has_same_content(&self, other: &Self) -> bool {
        self.key == other.key
            && self.meta == other.meta
            && self.targets == other.targets
            && self.protection == other.protection
    }

    fn unread_policy(&self) -> Option<&PolicyKey> {
        Some(&self.key)
    }

    /// Also adds a policy whose name is taken, as a copy, because each of the two may protect its targets.
    fn insert(self: &Arc<Self>, resources: &mut Resources) -> Result<(), Place> {
        let policies = Arc::make_mut(Self::set(resources));
        let Some(first) = policies.get(&self.key) else {
            policies.insert(self.key.clone(), Arc::clone(self));
            return Ok(());
        };
        let place = first.name_place();
        let mut copy = UnreadPolicy::clone(self);
        while policies.contains_key(&copy.key) {
            copy.key.copy += 1;
        }
        policies.insert(copy.key.clone(), Arc::new(copy));
        Err(place)
    }
}
