//! An object whose type isn't known at compile time. Only the loader needs such objects.

use super::Resource;
use crate::Resources;
use crate::api::{ClientTrafficPolicy, SecurityPolicy};
use crate::unread_policy::{PolicyKey, UnreadPolicy};
use gatefold_diagnostic::{Document, Place, ResourceId};
use std::any::Any;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

/// An object of any kind that is read, or a policy of another kind.
#[derive(Clone, Debug)]
pub(crate) struct AnyObject(Arc<dyn AnyResource>);

/// [`Resource`] without its associated type.
trait AnyResource: Debug + Send + Sync {
    fn id(&self) -> ResourceId;
    fn document(&self) -> &Document;
    fn unread_policy(&self) -> Option<&PolicyKey>;
    fn as_any(&self) -> &dyn Any;
    fn moved(&self, document: Document) -> AnyObject;
    fn insert(self: Arc<Self>, resources: &mut Resources) -> Result<(), Place>;
    fn remove(&self, resources: &mut Resources);
}

impl<T: Resource> AnyResource for T {
    fn id(&self) -> ResourceId {
        Resource::id(self)
    }

    fn document(&self) -> &Document {
        Resource::document(self)
    }

    fn unread_policy(&self) -> Option<&PolicyKey> {
        Resource::unread_policy(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn moved(&self, document: Document) -> AnyObject {
        AnyObject::new(Resource::moved(self, document))
    }

    fn insert(self: Arc<Self>, resources: &mut Resources) -> Result<(), Place> {
        Resource::insert(&self, resources)
    }

    fn remove(&self, resources: &mut Resources) {
        Arc::make_mut(T::set(resources)).remove(&self.set_key());
    }
}

impl AnyObject {
    pub(crate) fn new(object: impl Resource) -> Self {
        AnyObject(Arc::new(object))
    }

    /// Kind, namespace and name.
    pub(crate) fn id(&self) -> ResourceId {
        self.0.id()
    }

    /// The document that defines it.
    pub(crate) fn document(&self) -> &Document {
        self.0.document()
    }

    /// The same object, defined by another document.
    pub(crate) fn moved(&self, document: Document) -> Self {
        self.0.moved(document)
    }

    /// Removes the object from the resources.
    pub(crate) fn remove(&self, resources: &mut Resources) {
        self.0.remove(resources);
    }

    /// Adds the object to the resources, or returns the place of the object with its name that is already there.
    pub(crate) fn insert(&self, resources: &mut Resources) -> Result<(), Place> {
        Arc::clone(&self.0).insert(resources)
    }

    /// Returns the protection of a policy that another one with its name keeps from being used. Its targets must not be served
    /// without it. `None` if it protects nothing.
    pub(crate) fn protection(&self) -> Option<AnyObject> {
        let object = (*self.0).as_any();
        let security = object.downcast_ref::<SecurityPolicy>();
        let security = security.map(|it| (it.spec.targets().served(), true, UnreadPolicy::of(it)));
        let client_traffic = object.downcast_ref::<ClientTrafficPolicy>();
        let client_traffic = client_traffic.map(|it| {
            (
                it.spec.targets().served(),
                it.spec.guards(),
                UnreadPolicy::of(it),
            )
        });
        let (targets, protects, policy) = security.or(client_traffic)?;
        protects.then(|| AnyObject::new(UnreadPolicy { targets, ..policy }))
    }

    /// Whether it is a policy of a kind that gatefold doesn't read.
    pub(crate) fn is_unread_policy(&self) -> bool {
        self.0.unread_policy().is_some()
    }

    /// Whether it is the readable part of one of these refused objects.
    pub(crate) fn stands_for_any(&self, refused: &HashSet<ResourceId>) -> bool {
        let Some(key) = self.0.unread_policy() else {
            return false;
        };
        let id = self.id();
        // The id of a refused object whose kind is read has no group.
        let without_group = ResourceId {
            kind: key.kind.to_string(),
            ..id.clone()
        };
        refused.contains(&id) || refused.contains(&without_group)
    }
}
