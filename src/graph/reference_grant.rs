//! Who may refer to objects of other namespaces (API: `ReferenceGrant`).

use crate::manifest::Resources;
use std::collections::{HashMap, HashSet};

/// An object that refers, as far as grants look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Referrer<'a> {
    /// Its API group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

/// An object that is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Referent<'a> {
    /// Its API group; empty for the core group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// All grants, so that a question costs the same however many there are.
#[derive(Debug, Default)]
pub struct ReferenceGrants<'a> {
    /// Who may refer to which objects; an empty name stands for every name.
    granted: HashMap<Referrer<'a>, HashSet<Referent<'a>>>,
}

impl<'a> ReferenceGrants<'a> {
    /// Reads the grants of the folder.
    pub fn index(resources: &'a Resources) -> Self {
        let mut granted: HashMap<Referrer<'a>, HashSet<Referent<'a>>> = HashMap::new();
        for grant in resources.reference_grants.values() {
            for from in &grant.spec.from {
                let referrer = Referrer {
                    group: &from.group,
                    kind: &from.kind,
                    namespace: &from.namespace,
                };
                let referents = grant.spec.to.iter().map(|to| Referent {
                    group: &to.group,
                    kind: &to.kind,
                    namespace: &grant.meta.namespace,
                    name: to.name.as_deref().unwrap_or_default(),
                });
                granted.entry(referrer).or_default().extend(referents);
            }
        }
        ReferenceGrants { granted }
    }

    /// Whether the one may refer to the other: always within a namespace, else by a grant.
    pub fn permit(&self, from: Referrer<'_>, to: Referent<'_>) -> bool {
        if from.namespace == to.namespace {
            return true;
        }
        let every_name = Referent { name: "", ..to };
        self.granted
            .get(&from)
            .is_some_and(|granted| granted.contains(&to) || granted.contains(&every_name))
    }
}

/// The grant that is missing, as a manifest to copy.
pub fn missing_grant(from: Referrer<'_>, to: Referent<'_>) -> String {
    format!(
        "a ReferenceGrant in namespace `{to_namespace}` would permit it:\n\
         apiVersion: gateway.networking.k8s.io/v1beta1\n\
         kind: ReferenceGrant\n\
         metadata:\n  name: {name}\n  namespace: {to_namespace}\n\
         spec:\n  from:\n  - group: {from_group}\n    kind: {from_kind}\n    namespace: {from_namespace}\n\
         \x20 to:\n  - group: {to_group:?}\n    kind: {to_kind}\n    name: {to_name}",
        name = format_args!("{}-to-{}", from.namespace, to.name),
        to_namespace = to.namespace,
        from_group = from.group,
        from_kind = from.kind,
        from_namespace = from.namespace,
        to_group = to.group,
        to_kind = to.kind,
        to_name = to.name,
    )
}
