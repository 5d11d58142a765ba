//! Who may refer to objects of other namespaces (API: `ReferenceGrant`).

use gatefold_manifest::Resources;
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

/// The grant that is missing, as a manifest of one line to copy.
pub fn missing_grant(from: Referrer<'_>, to: Referent<'_>) -> String {
    format!(
        "this would permit it: {{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, \
         metadata: {{name: {from_namespace}-to-{to_name}, namespace: {to_namespace}}}, \
         spec: {{from: [{{group: {from_group}, kind: {from_kind}, namespace: {from_namespace}}}], \
         to: [{{group: {to_group:?}, kind: {to_kind}, name: {to_name}}}]}}}}",
        to_namespace = to.namespace,
        from_group = from.group,
        from_kind = from.kind,
        from_namespace = from.namespace,
        to_group = to.group,
        to_kind = to.kind,
        to_name = to.name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::Loader;

    const FROM: Referrer<'_> = Referrer {
        group: "gateway.networking.k8s.io",
        kind: "HTTPRoute",
        namespace: "here",
    };
    const TO: Referent<'_> = Referent {
        group: "",
        kind: "Service",
        namespace: "there",
        name: "shop",
    };

    #[test]
    fn the_manifest_that_a_diagnostic_proposes_permits_the_reference() {
        let help = missing_grant(FROM, TO);
        let (_, manifest) = help.split_once(": ").expect("words, then the manifest");
        let loaded = Loader::from_text("grant.yaml", manifest);
        assert_eq!(loaded.diagnostics, [], "it must load: {manifest}");
        let grants = ReferenceGrants::index(&loaded.resources);
        assert!(grants.permit(FROM, TO));
        let other = Referent {
            name: "other",
            ..TO
        };
        assert!(!grants.permit(FROM, other), "only what was asked for");
        let elsewhere = Referrer {
            namespace: "elsewhere",
            ..FROM
        };
        assert!(!grants.permit(elsewhere, TO), "only for whom it was asked");
    }

    #[test]
    fn a_grant_without_a_name_permits_every_name() {
        let manifest = missing_grant(FROM, TO).replace(", name: shop}", "}");
        let (_, manifest) = manifest.split_once(": ").expect("words, then the manifest");
        let loaded = Loader::from_text("grant.yaml", manifest);
        let grants = ReferenceGrants::index(&loaded.resources);
        assert!(grants.permit(FROM, TO));
        let secret = Referent {
            kind: "Secret",
            ..TO
        };
        assert!(!grants.permit(FROM, secret), "but of that kind only");
    }

    #[test]
    fn within_a_namespace_no_grant_is_needed() {
        let at_home = Referent {
            namespace: "here",
            ..TO
        };
        assert!(ReferenceGrants::default().permit(FROM, at_home));
        assert!(!ReferenceGrants::default().permit(FROM, TO));
    }
}
