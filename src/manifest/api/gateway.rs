use super::{
    GATEWAY_GROUP, Hostname, LabelSelector, Object, ObjectReference, PortNumber,
    SecretObjectReference, SectionName, choice, object,
};
use std::collections::BTreeMap;

/// Listeners, and who may attach routes to them.
pub type Gateway = Object<GatewaySpec>;

object! {
    /// `Gateway.spec`.
    pub closed GatewaySpec {
        /// The GatewayClass's name.
        "gatewayClassName" => gateway_class_name: String,
        /// The listeners; names are unique.
        "listeners" => listeners: Vec<Listener> [0..=64],
        /// Addresses that are asked for.
        "addresses" => addresses: Vec<GatewaySpecAddress> [0..=16],
        /// Labels and annotations for what stands for the Gateway in a cluster.
        "infrastructure" => infrastructure: Option<GatewayInfrastructure>,
        /// Which ListenerSets may attach.
        "allowedListeners" => allowed_listeners: Option<AllowedListeners>,
        /// TLS for all of the Gateway's listeners and backends.
        "tls" => tls: Option<GatewayTLSConfig>,
        /// Whether routes without a parent attach here (experimental).
        "defaultScope" => default_scope: Option<String>,
    }
}

object! {
    /// One logical endpoint.
    pub closed Listener {
        /// Unique within the Gateway.
        "name" => name: SectionName,
        /// The hostname that is served; any when absent.
        "hostname" => hostname: Option<Hostname>,
        /// The port.
        "port" => port: PortNumber,
        /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or a name with a domain.
        "protocol" => protocol: String,
        /// TLS; required for HTTPS and TLS.
        "tls" => tls: Option<ListenerTLSConfig>,
        /// Which routes may attach; HTTPRoutes and the like of the same namespace when absent.
        "allowedRoutes" => allowed_routes: Option<AllowedRoutes>,
    }
}

object! {
    /// How a listener speaks TLS.
    pub closed ListenerTLSConfig {
        /// Terminate here, or pass through.
        "mode" => mode: TLSModeType = TLSModeType::Terminate,
        /// Certificates with their keys.
        "certificateRefs" => certificate_refs: Vec<SecretObjectReference> [0..=64],
        /// Options of implementations; we have none.
        "options" => options: BTreeMap<String, String>,
    }
}

choice! {
    /// Who ends a TLS session.
    pub TLSModeType {
        /// The Gateway.
        Terminate,
        /// The backend.
        Passthrough,
    }
}

object! {
    /// Which routes may attach to a listener.
    pub closed AllowedRoutes {
        /// From which namespaces.
        "namespaces" => namespaces: RouteNamespaces = RouteNamespaces::default(),
        /// Of which kinds; those of the protocol when empty.
        "kinds" => kinds: Vec<RouteGroupKind> [0..=8],
    }
}

object! {
    /// From which namespaces routes may attach.
    pub closed RouteNamespaces {
        /// How namespaces are chosen.
        "from" => from: FromNamespaces = FromNamespaces::Same,
        /// The labels asked for, with `Selector`.
        "selector" => selector: Option<LabelSelector>,
    }
}

impl Default for RouteNamespaces {
    fn default() -> Self {
        RouteNamespaces {
            from: FromNamespaces::Same,
            selector: None,
        }
    }
}

choice! {
    /// How namespaces are chosen.
    pub FromNamespaces {
        /// Every namespace.
        All,
        /// Those whose labels match the selector.
        Selector,
        /// The Gateway's own.
        Same,
        /// None.
        None,
    }
}

object! {
    /// A kind of route.
    pub closed RouteGroupKind {
        /// Its API group.
        "group" => group: String = GATEWAY_GROUP.to_owned(),
        /// Its kind.
        "kind" => kind: String,
    }
}

object! {
    /// An address that is asked for.
    pub closed GatewaySpecAddress {
        /// `IPAddress`, `Hostname`, `NamedAddress` or a name with a domain.
        "type" => kind: String = "IPAddress".to_owned(),
        /// The address; empty asks for one out of the pool.
        "value" => value: String = String::new(),
    }
}

object! {
    /// What stands for a Gateway in a cluster.
    pub closed GatewayInfrastructure {
        /// Labels.
        "labels" => labels: BTreeMap<String, String>,
        /// Annotations.
        "annotations" => annotations: BTreeMap<String, String>,
        /// Parameters in another object; none is supported.
        "parametersRef" => parameters_ref: Option<super::LocalObjectReference>,
    }
}

object! {
    /// Which ListenerSets may attach.
    pub closed AllowedListeners {
        /// From which namespaces.
        "namespaces" => namespaces: Option<ListenerNamespaces>,
    }
}

object! {
    /// From which namespaces ListenerSets may attach.
    pub closed ListenerNamespaces {
        /// How namespaces are chosen.
        "from" => from: FromNamespaces = FromNamespaces::None,
        /// The labels asked for, with `Selector`.
        "selector" => selector: Option<LabelSelector>,
    }
}

object! {
    /// TLS of a whole Gateway.
    pub closed GatewayTLSConfig {
        /// Towards backends.
        "backend" => backend: Option<GatewayBackendTLS>,
        /// Towards clients.
        "frontend" => frontend: Option<FrontendTLSConfig>,
    }
}

object! {
    /// TLS towards backends.
    pub closed GatewayBackendTLS {
        /// The client certificate that backends are shown.
        "clientCertificateRef" => client_certificate_ref: Option<SecretObjectReference>,
    }
}

object! {
    /// TLS towards clients.
    pub closed FrontendTLSConfig {
        /// For every port that isn't named.
        "default" => default: TLSConfig,
        /// For single ports.
        "perPort" => per_port: Vec<TLSPortConfig> [0..=64],
    }
}

object! {
    /// TLS towards the clients of one port.
    pub closed TLSPortConfig {
        /// The port.
        "port" => port: PortNumber,
        /// Its TLS.
        "tls" => tls: TLSConfig,
    }
}

object! {
    /// What is asked of clients.
    pub closed TLSConfig {
        /// How client certificates are checked; not asked for when absent.
        "validation" => validation: Option<FrontendTLSValidation>,
    }
}

object! {
    /// How client certificates are checked.
    pub closed FrontendTLSValidation {
        /// Who may have signed them.
        "caCertificateRefs" => ca_certificate_refs: Vec<ObjectReference> [1..=8],
        /// What happens to a client without a valid one.
        "mode" => mode: FrontendValidationModeType = FrontendValidationModeType::AllowValidOnly,
    }
}

choice! {
    /// What happens to a client without a valid certificate.
    pub FrontendValidationModeType {
        /// It is turned away.
        AllowValidOnly,
        /// It is let in.
        AllowInsecureFallback,
    }
}
