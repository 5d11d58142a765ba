//! Keeps credentials in force when the content of their Secret or ConfigMap becomes unusable.
//!
//! In: each object that a SecurityPolicy refers to, and the objects that were usable for the previous graph. Out: the object to read.
//! Nothing is kept for an object that was removed, isn't referenced, or may not be referenced, so that credentials can be withdrawn
//! (docs/decisions/last-good-certificates.md).

use gatefold_manifest::Spec;
use gatefold_manifest::api::{ConfigMapFields, NamespacedName, Object, SecretFields};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What an object is read as. An object may be usable as one thing and not as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CredentialUse {
    /// The users of `basicAuth`.
    Users,
    /// The keys of `apiKeyAuth`.
    ApiKeys,
    /// The keys of `localJWKS`.
    Jwks,
    /// The secret of an OpenID client.
    OidcClient,
    /// The id of an OpenID client.
    OidcClientId,
}

/// The objects in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialsInForce {
    secrets: ObjectsInForce<SecretFields>,
    config_maps: ObjectsInForce<ConfigMapFields>,
}

impl CredentialsInForce {
    /// Whether an object is in force although its content in the folder is another one.
    pub(crate) fn keep_last_good(&self) -> bool {
        self.secrets.keep_last_good() || self.config_maps.keep_last_good()
    }
}

/// A kind of objects with credentials.
pub(super) trait CredentialSpec: Spec<Key = NamespacedName> {
    /// Where objects of the kind are kept.
    fn of(all: &CredentialsInForce) -> &ObjectsInForce<Self>;
    /// Like [`of`](Self::of).
    fn of_mut(all: &mut CredentialsInForce) -> &mut ObjectsInForce<Self>;
}

impl CredentialSpec for SecretFields {
    fn of(all: &CredentialsInForce) -> &ObjectsInForce<Self> {
        &all.secrets
    }

    fn of_mut(all: &mut CredentialsInForce) -> &mut ObjectsInForce<Self> {
        &mut all.secrets
    }
}

impl CredentialSpec for ConfigMapFields {
    fn of(all: &CredentialsInForce) -> &ObjectsInForce<Self> {
        &all.config_maps
    }

    fn of_mut(all: &mut CredentialsInForce) -> &mut ObjectsInForce<Self> {
        &mut all.config_maps
    }
}

/// The objects of a kind that are in force.
pub(super) struct ObjectsInForce<S>(BTreeMap<(CredentialUse, NamespacedName), InForce<S>>);

struct InForce<S> {
    object: Arc<Object<S>>,
    is_last_good: bool,
}

impl<S> ObjectsInForce<S> {
    fn keep_last_good(&self) -> bool {
        self.0.values().any(|it| it.is_last_good)
    }
}

impl<S> Default for ObjectsInForce<S> {
    fn default() -> Self {
        ObjectsInForce(BTreeMap::new())
    }
}

impl<S> Clone for ObjectsInForce<S> {
    fn clone(&self) -> Self {
        ObjectsInForce(self.0.clone())
    }
}

impl<S> Clone for InForce<S> {
    fn clone(&self) -> Self {
        InForce {
            object: self.object.clone(),
            is_last_good: self.is_last_good,
        }
    }
}

/// Without the objects, which have secrets.
impl<S> fmt::Debug for ObjectsInForce<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The objects in force for the previous graph, and those of this one.
#[derive(Default)]
pub(super) struct KeptCredentials<'a> {
    before: Option<&'a CredentialsInForce>,
    now: RefCell<CredentialsInForce>,
}

/// The object to read.
pub(super) struct UsableObject<S> {
    /// The object in the folder, or the last good one.
    pub object: Arc<Object<S>>,
    /// Why that in the folder can't be used. `None` if it is the one to read.
    pub problem: Option<String>,
}

impl<'a> KeptCredentials<'a> {
    pub(super) fn after(before: &'a CredentialsInForce) -> Self {
        KeptCredentials {
            before: Some(before),
            now: RefCell::default(),
        }
    }

    /// Chooses between an object and its last good content.
    ///
    /// # Errors
    /// If the object can't be used, and there was no usable one before.
    pub(super) fn choose<S: CredentialSpec>(
        &self,
        used_as: CredentialUse,
        object: &Arc<Object<S>>,
        check: impl FnOnce(&Object<S>) -> Result<(), String>,
    ) -> Result<UsableObject<S>, String> {
        let key = (used_as, object.key());
        let usable = match check(object) {
            Ok(()) => UsableObject {
                object: object.clone(),
                problem: None,
            },
            Err(problem) => match self.before.and_then(|all| S::of(all).0.get(&key)) {
                None => return Err(problem),
                Some(last_good) => UsableObject {
                    object: last_good.object.clone(),
                    problem: Some(problem),
                },
            },
        };
        let in_force = InForce {
            object: usable.object.clone(),
            is_last_good: usable.problem.is_some(),
        };
        S::of_mut(&mut self.now.borrow_mut())
            .0
            .insert(key, in_force);
        Ok(usable)
    }

    /// Returns the objects in force.
    pub(super) fn take(&self) -> CredentialsInForce {
        self.now.take()
    }
}
