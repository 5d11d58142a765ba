use super::{PortNumber, SectionName, object};

/// The API group of Gateway, HTTPRoute and their kin.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

object! {
    /// What a route attaches to: by default a Gateway.
    pub closed ParentReference {
        /// The parent's API group.
        "group" => group: String = GATEWAY_GROUP.to_owned(),
        /// The parent's kind.
        "kind" => kind: String = "Gateway".to_owned(),
        /// The parent's namespace; the route's own when absent.
        "namespace" => namespace: Option<String>,
        /// The parent's name.
        "name" => name: String,
        /// One of the parent's listeners, by name; all of them when absent.
        "sectionName" => section_name: Option<SectionName>,
        /// The listeners on this port only.
        "port" => port: Option<PortNumber>,
    }
}

object! {
    /// A Secret, or something else that holds a certificate and its key.
    pub closed SecretObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String = String::new(),
        /// The kind.
        "kind" => kind: String = "Secret".to_owned(),
        /// The name.
        "name" => name: String,
        /// The namespace; that of the object which refers when absent.
        "namespace" => namespace: Option<String>,
    }
}

object! {
    /// A backend: by default a Service and one of its ports.
    pub closed BackendObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String = String::new(),
        /// The kind.
        "kind" => kind: String = "Service".to_owned(),
        /// The name.
        "name" => name: String,
        /// The namespace; the route's own when absent.
        "namespace" => namespace: Option<String>,
        /// The port; a Service needs one.
        "port" => port: Option<PortNumber>,
    }
}

object! {
    /// An object of the same namespace.
    pub closed LocalObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String,
        /// The kind.
        "kind" => kind: String,
        /// The name.
        "name" => name: String,
    }
}

object! {
    /// An object of any kind.
    pub closed ObjectReference {
        /// The API group; empty is the core group.
        "group" => group: String,
        /// The kind.
        "kind" => kind: String,
        /// The name.
        "name" => name: String,
        /// The namespace; that of the object which refers when absent.
        "namespace" => namespace: Option<String>,
    }
}
