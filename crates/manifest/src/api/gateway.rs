use super::{
    FromNamespaces, LabelSelector, Listener, Object, ObjectReference, PortNumber,
    SecretObjectReference, check_unique, choice, object, refuse, rule,
};
use crate::{Decoder, name};
use gatefold_diagnostic::yaml::{Node, Value};
use std::collections::BTreeMap;

/// Listeners, and who may attach routes to them.
pub type Gateway = Object<GatewaySpec>;

object! {
    /// `Gateway.spec`.
    pub closed GatewaySpec checked by GatewaySpec::check {
        /// The GatewayClass's name.
        "gatewayClassName" => gateway_class_name: String where rule::object_name,
        /// The listeners; names are unique.
        "listeners" => listeners: Vec<Listener> [1..=64],
        /// Addresses that are asked for.
        "addresses" => addresses: Vec<GatewaySpecAddress> [0..=16],
        /// Labels and annotations for what stands for the Gateway in a cluster.
        "infrastructure" => infrastructure: Option<GatewayInfrastructure>,
        /// Which ListenerSets may attach.
        "allowedListeners" => allowed_listeners: Option<AllowedListeners>,
        /// TLS for all of the Gateway's listeners and backends.
        "tls" => tls: Option<GatewayTLSConfig>,
        /// Whether routes without a parent attach here (experimental).
        "defaultScope" => default_scope: Option<GatewayDefaultScope>,
    }
}

choice! {
    /// Which routes without a parent attach to a Gateway.
    pub GatewayDefaultScope {
        /// Those that ask for it.
        All,
        /// None.
        None,
    }
}

impl GatewaySpec {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        Listener::check_list(&self.listeners, "a Gateway", node, decoder);
        let values = self.addresses.iter().map(GatewaySpecAddress::identity);
        check_unique(
            node,
            "addresses",
            values,
            "the address stands twice",
            decoder,
        );
    }
}

object! {
    /// An address that is asked for.
    pub closed GatewaySpecAddress checked by GatewaySpecAddress::check {
        /// `IPAddress`, `Hostname`, `NamedAddress` or a name with a domain.
        "type" => kind: String where rule::address_type = "IPAddress".to_owned(),
        /// The address; empty asks for one out of the pool.
        "value" => value: String [0..=253] = String::new(),
        /// From where the address must be reachable (experimental); empty asks for nothing in particular.
        "routability" => routability: String where rule::routability [0..=253] = String::new(),
    }
}

impl GatewaySpecAddress {
    /// Whether it asks for any IP address, and nothing else of it.
    pub fn is_any(&self) -> bool {
        self.kind == "IPAddress" && self.value.is_empty() && self.routability.is_empty()
    }

    /// Addresses of these types must differ; others may mean anything.
    fn identity(&self) -> Option<(&str, &str)> {
        let compared = matches!(&*self.kind, "IPAddress" | "Hostname") && !self.value.is_empty();
        compared.then_some((&self.kind, &self.value))
    }

    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.value.is_empty() {
            return;
        }
        match &*self.kind {
            "IPAddress" if self.value.parse::<std::net::IpAddr>().is_err() => {
                let why = format!("`{}` isn't an IP address", self.value);
                refuse(node, "value", &why, decoder);
            }
            "Hostname" => {
                let host = self.value.strip_prefix("*.").unwrap_or(&self.value);
                if let Err(why) = name::subdomain(host) {
                    refuse(node, "value", &why, decoder);
                }
            }
            _ => {}
        }
    }
}

object! {
    /// What stands for a Gateway in a cluster.
    pub closed GatewayInfrastructure checked by GatewayInfrastructure::check {
        /// Labels.
        "labels" => labels: BTreeMap<String, String> where rule::label_value [0..=8],
        /// Annotations.
        "annotations" => annotations: BTreeMap<String, String> [0..=16],
        /// Parameters in another object; none is supported.
        "parametersRef" => parameters_ref: Option<super::LocalObjectReference>,
    }
}

impl GatewayInfrastructure {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        for field in ["labels", "annotations"] {
            let Some((field, Value::Mapping(entries))) =
                node.entry(field).map(|(key, value)| (key, &value.value))
            else {
                continue;
            };
            for (key, _) in entries {
                if let Err(why) = name::label_key(&key.name) {
                    let pointer = decoder.pointer().key(field.name.clone());
                    let message = format!("`{pointer}`: {why}");
                    let code = gatefold_diagnostic::Code::InvalidValue;
                    decoder.report(code, &key.span, message);
                }
            }
        }
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
    pub closed FrontendTLSConfig checked by FrontendTLSConfig::check {
        /// For every port that isn't named.
        "default" => default: TLSConfig,
        /// For single ports.
        "perPort" => per_port: Vec<TLSPortConfig> [0..=64],
    }
}

impl FrontendTLSConfig {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let ports = self.per_port.iter().map(|port| Some(port.port));
        check_unique(node, "perPort", ports, "the port stands twice", decoder);
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
    pub closed FrontendTLSValidation checked by FrontendTLSValidation::check {
        /// Who may have signed them.
        "caCertificateRefs" => ca_certificate_refs: Vec<ObjectReference> [1..=16],
        /// What happens to a client without a valid one.
        "mode" => mode: FrontendValidationModeType = FrontendValidationModeType::AllowValidOnly,
    }
}

impl FrontendTLSValidation {
    /// A ClusterTrustBundle has no namespace.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let bundle = |it: &ObjectReference| {
            it.group == "certificates.k8s.io" && it.kind == "ClusterTrustBundle"
        };
        let mut all = self.ca_certificate_refs.iter();
        if all.any(|it| bundle(it) && it.namespace.is_some()) {
            let why = "a reference to a ClusterTrustBundle has no namespace";
            refuse(node, "caCertificateRefs", why, decoder);
        }
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
