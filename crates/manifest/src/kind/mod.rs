//! The kinds that gatefold reads, and what it knows about each of them.
//!
//! [`Kind`] is generated from the [table]. Names of kinds in manifests, references, paths and on the command
//! line are parsed into a `Kind` once, and never compared as text after that.

mod any_object;
mod resource;
mod spec;
mod table;

pub(crate) use any_object::AnyObject;
pub use resource::Resource;
pub(crate) use spec::ObjectKey;
pub use spec::Spec;
pub(crate) use table::for_each_kind;

use crate::api::{ENVOY_GATEWAY_GROUP, GATEWAY_GROUP};
use gatefold_diagnostic::ResourceId;
use gatefold_diagnostic::yaml::Node;

/// The group and the version in an `apiVersion`: `group/version`, or a version of the core group, whose name is empty.
pub(crate) fn split_api_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

/// Whether the objects of a kind belong to a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Identified by their names alone.
    Cluster,
    /// Identified by namespace and name.
    Namespaced,
}

/// The place of a kind's own fields in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// In `spec`, which is required.
    Spec,
    /// In `spec`, which may be absent.
    OptionalSpec,
    /// Beside `metadata`.
    Root,
}

/// The syntax of `metadata.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// An RFC 1123 subdomain.
    Subdomain,
    /// An RFC 1123 label.
    Label,
    /// An RFC 1035 label.
    Service,
}

/// What a change of an object invalidates in the graph of the previous load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidates {
    /// The nodes of all routes: their attachment, their permitted references, and how their backends are contacted.
    Routes,
    /// The endpoints of all backends.
    Endpoints,
    /// Only the nodes that use the object directly. They compare the objects that they use.
    Users,
}

/// What an entry of the table states besides names and scope.
#[derive(Clone, Copy)]
struct Details {
    /// The API group. The core group is the empty string.
    group: &'static str,
    /// The versions that are read. The first one is served by the admin API and suggested in messages.
    versions: &'static [&'static str],
    /// kubectl's short names.
    short_names: &'static [&'static str],
    body: Body,
    names: NameRule,
    /// Whether gatefold reports a status for objects of the kind.
    reports_status: bool,
    /// Whether requests to a policy's targets must fail while the policy can't be read, unless its fields protect nothing.
    protects_targets: bool,
    invalidates: Invalidates,
    /// Whether objects of the kind are routes.
    is_route: bool,
}

/// The defaults for kinds of the Gateway API. They are the safe choices: to invalidate too much only costs time.
const GATEWAY_API: Details = Details {
    group: GATEWAY_GROUP,
    versions: &["v1"],
    short_names: &[],
    body: Body::Spec,
    names: NameRule::Subdomain,
    reports_status: true,
    protects_targets: false,
    invalidates: Invalidates::Routes,
    is_route: false,
};

/// The defaults for Envoy Gateway's kinds.
const ENVOY_GATEWAY: Details = Details {
    group: ENVOY_GATEWAY_GROUP,
    versions: &["v1alpha1"],
    ..GATEWAY_API
};

/// The defaults for routes.
const ROUTE: Details = Details {
    invalidates: Invalidates::Users,
    is_route: true,
    ..GATEWAY_API
};

/// The defaults for Kubernetes' own kinds.
const CORE: Details = Details {
    group: "",
    body: Body::Root,
    reports_status: false,
    ..GATEWAY_API
};

macro_rules! kind {
    (
        kinds {
            $($(#[$doc:meta])* $kind:ident($fields:ident in $set:ident), $scope:ident, $plural:literal $details:tt;)+
        }
        otherwise $($unread:tt)*
    ) => {
        /// A kind that gatefold reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// All kinds, in the order of the table.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)+];

            /// The name in a manifest: `HTTPRoute`.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind),)+ }
            }

            /// The name in paths of the Kubernetes API: `httproutes`.
            pub const fn plural(self) -> &'static str {
                match self { $(Kind::$kind => $plural,)+ }
            }

            /// Whether the objects belong to a namespace.
            pub const fn scope(self) -> Scope {
                match self { $(Kind::$kind => Scope::$scope,)+ }
            }

            const fn details(self) -> &'static Details {
                match self { $(Kind::$kind => &Details $details,)+ }
            }
        }
    };
}

for_each_kind!(kind);

impl Kind {
    /// The kind with this API group and name.
    pub fn find(group: &str, name: &str) -> Option<Kind> {
        let mut all = Kind::ALL.iter().copied();
        all.find(|kind| kind.name() == name && kind.group() == group)
    }

    /// The kind of an object that isn't decoded yet. `None` if gatefold doesn't read it.
    pub(crate) fn of_node(object: &Node) -> Option<Kind> {
        let text = |field: &str| object.field(field).and_then(Node::as_str);
        let (group, _) = split_api_version(text("apiVersion").unwrap_or_default());
        Kind::find(group, text("kind").unwrap_or_default())
    }

    /// The kind of an object. `None` for policies of other kinds.
    pub fn of(id: &ResourceId) -> Option<Kind> {
        let mut all = Kind::ALL.iter().copied();
        all.find(|kind| kind.name() == id.kind)
    }

    /// The kind that kubectl knows by this name, in any case: `gateways`, `Gateway`, `gtw`,
    /// `gateways.gateway.networking.k8s.io`.
    pub fn named(name: &str) -> Option<Kind> {
        let name = name.to_ascii_lowercase();
        let plain = name.split_once('.').map_or(&*name, |(plain, _)| plain);
        let mut all = Kind::ALL.iter().copied();
        all.find(|kind| {
            kind.plural() == plain
                || kind.name().eq_ignore_ascii_case(plain)
                || kind.short_names().contains(&plain)
        })
    }

    /// The name of a single object in the Kubernetes API: `httproute`.
    pub fn singular(self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// The API group. The core group is the empty string.
    pub const fn group(self) -> &'static str {
        self.details().group
    }

    /// The versions that are read, the preferred one first.
    pub(crate) const fn versions(self) -> &'static [&'static str] {
        self.details().versions
    }

    /// The version that the admin API serves.
    pub fn served_version(self) -> &'static str {
        self.versions().first().copied().unwrap_or("v1")
    }

    /// `apiVersion` with the served version: `gateway.networking.k8s.io/v1`, or `v1` for the core group.
    pub fn api_version(self) -> String {
        let version = self.served_version();
        if self.group().is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group())
        }
    }

    /// kubectl's short names.
    pub const fn short_names(self) -> &'static [&'static str] {
        self.details().short_names
    }

    pub(crate) const fn body(self) -> Body {
        self.details().body
    }

    pub(crate) const fn name_rule(self) -> NameRule {
        self.details().names
    }

    /// Whether gatefold reports a status for objects of the kind.
    pub const fn reports_status(self) -> bool {
        self.details().reports_status
    }

    /// What a change of an object of the kind invalidates.
    pub const fn invalidates(self) -> Invalidates {
        self.details().invalidates
    }

    /// Whether objects of the kind are routes.
    pub(crate) const fn is_route(self) -> bool {
        self.details().is_route
    }

    /// Whether requests to a policy's targets must fail while the policy can't be read.
    pub(crate) const fn protects_targets(self) -> bool {
        self.details().protects_targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn finds_kinds_by_every_name_that_kubectl_knows() {
        for name in [
            "gateways",
            "Gateway",
            "gtw",
            "gateways.gateway.networking.k8s.io",
        ] {
            assert_eq!(Kind::named(name), Some(Kind::Gateway), "{name}");
        }
        assert_eq!(Kind::named("deployments"), None);
    }

    #[test]
    fn no_two_kinds_share_a_name() {
        let mut names = BTreeSet::new();
        for kind in Kind::ALL {
            let plural = (kind.plural() != kind.singular()).then_some(kind.plural());
            let short = kind.short_names().iter().copied();
            for name in short.chain(plural).chain([&*kind.singular()]) {
                assert!(names.insert(name.to_owned()), "`{name}` names two kinds");
            }
        }
    }
}
