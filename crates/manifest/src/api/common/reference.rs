//! References from one object to another.

use crate::Decoder;
use crate::api::{PortNumber, SectionName, check_unique, object, refuse, rule};
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;

/// The API group of the Gateway API's kinds.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

object! {
    /// The object that a route attaches to: by default a Gateway.
    pub closed ParentReference {
        /// The parent's API group.
        "group" => group: String where rule::group = GATEWAY_GROUP.to_owned(),
        /// The parent's kind.
        "kind" => kind: String where rule::kind = "Gateway".to_owned(),
        /// The parent's namespace; absent for the route's own namespace.
        "namespace" => namespace: Option<String> where rule::namespace,
        /// The parent's name.
        "name" => name: String where rule::object_name,
        /// The name of one of the parent's listeners; absent for all of them.
        "sectionName" => section_name: Option<SectionName>,
        /// The port of the listeners; absent for any port.
        "port" => port: Option<PortNumber>,
    }
}

impl ParentReference {
    /// Checks that references to the same parent are distinct and name its listeners in the same way.
    pub(in crate::api) fn check_list(
        references: &[ParentReference],
        node: &Node,
        decoder: &mut Decoder,
    ) {
        let whole = |parent: &ParentReference| {
            let ParentReference {
                group, kind, name, ..
            } = parent;
            (
                group.clone(),
                kind.clone(),
                parent.namespace.clone(),
                name.clone(),
            )
        };
        let all = references
            .iter()
            .map(|parent| Some((whole(parent), parent.section_name.clone(), parent.port)));
        let what = "the parent appears twice, with the same `sectionName` and `port`";
        check_unique(node, "parentRefs", all, what, decoder);
        let mut ways = BTreeMap::new();
        for parent in references {
            let way = (parent.section_name.is_some(), parent.port.is_some());
            if *ways.entry(whole(parent)).or_insert(way) != way {
                let why = "references to the same parent must all have a `sectionName` or none, and all a `port` or none";
                return refuse(node, "parentRefs", why, decoder);
            }
        }
    }
}

object! {
    /// A reference to a Secret with a certificate and its key.
    pub closed SecretObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group = String::new(),
        /// The kind.
        "kind" => kind: String where rule::kind = "Secret".to_owned(),
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; absent for that of the referring object.
        "namespace" => namespace: Option<String> where rule::namespace,
    }
}

object! {
    /// A reference to a backend: by default a Service and one of its ports.
    pub closed BackendObjectReference checked by BackendObjectReference::check {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group = String::new(),
        /// The kind.
        "kind" => kind: String where rule::kind = "Service".to_owned(),
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; absent for the route's own namespace.
        "namespace" => namespace: Option<String> where rule::namespace,
        /// The port; required for a Service.
        "port" => port: Option<PortNumber>,
    }
}

object! {
    /// A reference to an object of the same namespace.
    pub closed LocalObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group,
        /// The kind.
        "kind" => kind: String where rule::kind,
        /// The name.
        "name" => name: String where rule::object_name,
    }
}

object! {
    /// A reference to an object of any kind.
    pub closed ObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group,
        /// The kind.
        "kind" => kind: String where rule::kind,
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; absent for that of the referring object.
        "namespace" => namespace: Option<String> where rule::namespace,
    }
}

impl BackendObjectReference {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        check_backend_port(&self.group, &self.kind, self.port, node, decoder);
    }
}

/// Checks the port of a backend reference. A Service requires one; an XBackend defines its own port, so a reference to
/// it must not have one.
pub(in crate::api) fn check_backend_port(
    group: &str,
    kind: &str,
    port: Option<PortNumber>,
    node: &Node,
    decoder: &mut Decoder,
) {
    let why = match (group, kind, port) {
        ("", "Service", None) => "a reference to a Service requires a port",
        ("gateway.networking.x-k8s.io", "XBackend", Some(_)) => {
            "a reference to an XBackend has no port; the XBackend defines it"
        }
        _ => return,
    };
    refuse(node, "port", why, decoder);
}
