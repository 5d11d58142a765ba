use super::{PortNumber, SectionName, check_unique, object, refuse, rule};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;

/// The API group of Gateway, HTTPRoute and their kin.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

object! {
    /// What a route attaches to: by default a Gateway.
    pub closed ParentReference {
        /// The parent's API group.
        "group" => group: String where rule::group = GATEWAY_GROUP.to_owned(),
        /// The parent's kind.
        "kind" => kind: String where rule::kind = "Gateway".to_owned(),
        /// The parent's namespace; the route's own when absent.
        "namespace" => namespace: Option<String> where rule::namespace,
        /// The parent's name.
        "name" => name: String where rule::object_name,
        /// One of the parent's listeners, by name; all of them when absent.
        "sectionName" => section_name: Option<SectionName>,
        /// The listeners on this port only.
        "port" => port: Option<PortNumber>,
    }
}

impl ParentReference {
    /// References to one parent must tell its listeners apart, all in the same way.
    pub(super) fn check_list(references: &[ParentReference], node: &Node, decoder: &mut Decoder) {
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
        let what = "the parent stands twice, with the same `sectionName` and `port`";
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
    /// A Secret, or something else that holds a certificate and its key.
    pub closed SecretObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group = String::new(),
        /// The kind.
        "kind" => kind: String where rule::kind = "Secret".to_owned(),
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; that of the object which refers when absent.
        "namespace" => namespace: Option<String> where rule::namespace,
    }
}

object! {
    /// A backend: by default a Service and one of its ports.
    pub closed BackendObjectReference checked by BackendObjectReference::check {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group = String::new(),
        /// The kind.
        "kind" => kind: String where rule::kind = "Service".to_owned(),
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; the route's own when absent.
        "namespace" => namespace: Option<String> where rule::namespace,
        /// The port; a Service needs one.
        "port" => port: Option<PortNumber>,
    }
}

object! {
    /// An object of the same namespace.
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
    /// An object of any kind.
    pub closed ObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group,
        /// The kind.
        "kind" => kind: String where rule::kind,
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; that of the object which refers when absent.
        "namespace" => namespace: Option<String> where rule::namespace,
    }
}

impl BackendObjectReference {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        check_backend_port(&self.group, &self.kind, self.port, node, decoder);
    }
}

/// A Service needs a port; an XBackend has its own, so that a reference must not give one.
pub(super) fn check_backend_port(
    group: &str,
    kind: &str,
    port: Option<PortNumber>,
    node: &Node,
    decoder: &mut Decoder,
) {
    let why = match (group, kind, port) {
        ("", "Service", None) => "a reference to a Service needs a port",
        ("gateway.networking.x-k8s.io", "XBackend", Some(_)) => {
            "a reference to an XBackend has no port; the XBackend says it"
        }
        _ => return,
    };
    refuse(node, "port", why, decoder);
}
