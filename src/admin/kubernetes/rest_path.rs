//! Paths of objects and lists in the Kubernetes API.

use gatefold_manifest::{Kind, Scope};
use std::fmt;

/// The path of one object or of a list: `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestPath<'p> {
    /// The kind.
    pub kind: Kind,
    /// The namespace. `None` for cluster-scoped kinds and for lists over all namespaces.
    pub namespace: Option<&'p str>,
    /// The name. `None` for a list.
    pub name: Option<&'p str>,
}

impl<'p> RestPath<'p> {
    /// Parses the segments after the version. `None` if they name no kind of this group and version, or don't fit
    /// the kind's scope.
    pub(super) fn parse(group: &str, version: &str, segments: &[&'p str]) -> Option<Self> {
        let (namespace, plural, name) = match *segments {
            // `/api/v1/namespaces/NAME` is the path of the Namespace itself.
            ["namespaces", name] => (None, "namespaces", Some(name)),
            ["namespaces", namespace, plural] => (Some(namespace), plural, None),
            ["namespaces", namespace, plural, name] => (Some(namespace), plural, Some(name)),
            [plural] => (None, plural, None),
            [plural, name] => (None, plural, Some(name)),
            _ => return None,
        };
        let is_served = |kind: &Kind| kind.group() == group && kind.served_version() == version;
        let mut served = Kind::ALL.iter().copied().filter(is_served);
        let kind = served.find(|kind| kind.plural() == plural)?;
        let fits = match kind.scope() {
            // Without a namespace only a list has a path.
            Scope::Namespaced => namespace.is_some() || name.is_none(),
            Scope::Cluster => namespace.is_none(),
        };
        fits.then_some(RestPath {
            kind,
            namespace,
            name,
        })
    }
}

impl fmt::Display for RestPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = if self.kind.group().is_empty() {
            "/api"
        } else {
            "/apis"
        };
        write!(f, "{root}/{}", self.kind.api_version())?;
        if let Some(namespace) = self.namespace {
            write!(f, "/namespaces/{namespace}")?;
        }
        write!(f, "/{}", self.kind.plural())?;
        match self.name {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::api::GATEWAY_GROUP;

    fn parse(path: &str) -> Option<(Kind, Option<&str>, Option<&str>)> {
        let segments: Vec<&str> = path.split('/').collect();
        let found = RestPath::parse(GATEWAY_GROUP, "v1", &segments);
        let found = found.or_else(|| RestPath::parse("", "v1", &segments))?;
        Some((found.kind, found.namespace, found.name))
    }

    #[test]
    fn parses_kind_namespace_and_name() {
        for (path, expected) in [
            ("gateways", (Kind::Gateway, None, None)),
            (
                "namespaces/shop/gateways",
                (Kind::Gateway, Some("shop"), None),
            ),
            (
                "namespaces/shop/httproutes/one",
                (Kind::HTTPRoute, Some("shop"), Some("one")),
            ),
            ("gatewayclasses/c", (Kind::GatewayClass, None, Some("c"))),
            ("namespaces/shop", (Kind::Namespace, None, Some("shop"))),
            ("namespaces", (Kind::Namespace, None, None)),
        ] {
            assert_eq!(parse(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn refuses_paths_that_do_not_fit_the_scope_of_the_kind() {
        assert_eq!(
            parse("gateways/edge"),
            None,
            "an object needs its namespace"
        );
        assert_eq!(parse("namespaces/shop/gatewayclasses/c"), None);
        assert_eq!(parse("namespaces/shop/deployments"), None);
    }

    #[test]
    fn prints_the_path_that_it_parses() {
        for kind in Kind::ALL.iter().copied() {
            let namespace = (kind.scope() == Scope::Namespaced).then_some("shop");
            let path = RestPath {
                kind,
                namespace,
                name: Some("one"),
            };
            let text = path.to_string();
            let segments: Vec<&str> = text.split('/').skip(1).collect();
            let parsed = match *segments {
                ["api", version, ref rest @ ..] => RestPath::parse("", version, rest),
                ["apis", group, version, ref rest @ ..] => RestPath::parse(group, version, rest),
                _ => None,
            };
            assert_eq!(parsed, Some(path), "{text}");
        }
    }
}
