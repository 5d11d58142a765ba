//! Decides which references may cross namespaces (API: `ReferenceGrant`).

use super::object_reference::{Referent, Referrer};
use gatefold_manifest::Resources;
use std::collections::{HashMap, HashSet};

/// The grants of the folder, indexed so that a check costs the same for any number of them.
#[derive(Debug, Default)]
pub(crate) struct ReferenceGrants<'a> {
    /// The permitted referents of each referrer. An empty name permits every name.
    granted: HashMap<Referrer<'a>, HashSet<Referent<'a>>>,
}

impl<'a> ReferenceGrants<'a> {
    /// Indexes the grants of the folder.
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

    /// Whether a reference is permitted: always within a namespace, otherwise if a grant permits it.
    pub(super) fn permit(&self, from: Referrer<'_>, to: Referent<'_>) -> bool {
        if from.namespace == to.namespace {
            return true;
        }
        let every_name = Referent { name: "", ..to };
        self.granted
            .get(&from)
            .is_some_and(|granted| granted.contains(&to) || granted.contains(&every_name))
    }
}

/// Returns the missing grant as a manifest of one line, to copy.
pub(super) fn missing_grant(from: Referrer<'_>, to: Referent<'_>) -> String {
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
    fn suggested_grant_permits_exactly_the_reference() {
        let help = missing_grant(FROM, TO);
        let (_, manifest) = help
            .split_once(": ")
            .expect("an introduction, then the manifest");
        let loaded = Loader::from_text("grant.yaml", manifest);
        assert_eq!(
            loaded.diagnostics,
            [],
            "the suggested manifest must load: {manifest}"
        );
        let grants = ReferenceGrants::index(&loaded.resources);
        assert!(grants.permit(FROM, TO));
        let other = Referent {
            name: "other",
            ..TO
        };
        assert!(
            !grants.permit(FROM, other),
            "another name must not be permitted"
        );
        let elsewhere = Referrer {
            namespace: "elsewhere",
            ..FROM
        };
        assert!(
            !grants.permit(elsewhere, TO),
            "another namespace must not be permitted"
        );
    }

    #[test]
    fn grant_without_a_name_permits_every_name_of_its_kind() {
        let manifest = missing_grant(FROM, TO).replace(", name: shop}", "}");
        let (_, manifest) = manifest
            .split_once(": ")
            .expect("an introduction, then the manifest");
        let loaded = Loader::from_text("grant.yaml", manifest);
        let grants = ReferenceGrants::index(&loaded.resources);
        assert!(grants.permit(FROM, TO));
        let secret = Referent {
            kind: "Secret",
            ..TO
        };
        assert!(
            !grants.permit(FROM, secret),
            "another kind must not be permitted"
        );
    }

    #[test]
    fn needs_no_grant_within_a_namespace() {
        let own_namespace = Referent {
            namespace: "here",
            ..TO
        };
        assert!(ReferenceGrants::default().permit(FROM, own_namespace));
        assert!(!ReferenceGrants::default().permit(FROM, TO));
    }
}
