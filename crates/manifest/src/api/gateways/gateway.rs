//! Gateway.

use crate::Decoder;
use crate::api::{
    FromNamespaces, LabelSelector, Listener, Object, ObjectReference, PortNumber,
    SecretObjectReference, check_unique, choice, object, refuse, rule,
};
use crate::decode::name;
use gatefold_diagnostic::yaml::{Node, Value};
use std::collections::BTreeMap;

/// A Gateway: listeners, and which routes may attach to them.
pub type Gateway = Object<GatewaySpec>;

object! {
    /// `Gateway.spec`.
    pub closed GatewaySpec checked by GatewaySpec::check {
        /// The name of the GatewayClass.
        "gatewayClassName" => gateway_class_name: String where rule::object_name,
        /// The listeners; names are unique.
        "listeners" => listeners: Vec<Listener> [1..=64],
        /// The requested addresses.
        "addresses" => addresses: Vec<GatewaySpecAddress> [0..=16],
        /// Labels and annotations for the objects that implement the Gateway in a cluster.
        "infrastructure" => infrastructure: Option<GatewayInfrastructure>,
        /// Which ListenerSets may attach.
        "allowedListeners" => allowed_listeners: Option<AllowedListeners>,
        /// The TLS settings for all of the Gateway's listeners and backends.
        "tls" => tls: Option<GatewayTLSConfig>,
        /// Whether routes without a parent attach here (experimental).
        "defaultScope" => default_scope: Option<GatewayDefaultScope>,
    }
}

choice! {
    /// Which routes without a parent attach to a Gateway.
    pub GatewayDefaultScope {
        /// Routes with `useDefaultGateways`.
        All,
        /// No routes.
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
            "the address appears twice",
            decoder,
        );
    }
}

object! {
    /// A requested address.
    pub closed GatewaySpecAddress checked by GatewaySpecAddress::check {
        /// `IPAddress`, `Hostname`, `NamedAddress` or a name with a domain.
        "type" => kind: String where rule::address_type = "IPAddress".to_owned(),
        /// The address; empty for one from the address pool.
        "value" => value: String [0..=253] = String::new(),
        /// From where the address must be reachable (experimental); empty for no requirement.
        "routability" => routability: String where rule::routability [0..=253] = String::new(),
    }
}

impl GatewaySpecAddress {
    /// Whether any IP address will do, without other requirements.
    pub fn is_any(&self) -> bool {
        self.kind == "IPAddress" && self.value.is_empty() && self.routability.is_empty()
    }

    /// What must be unique among the addresses. `None` for types whose values have no defined meaning.
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
    /// Metadata for the objects that implement a Gateway in a cluster.
    pub closed GatewayInfrastructure checked by GatewayInfrastructure::check {
        /// Labels.
        "labels" => labels: BTreeMap<String, String> where rule::label_value [0..=8],
        /// Annotations.
        "annotations" => annotations: BTreeMap<String, String> [0..=16],
        /// A reference to an object with parameters: an EnvoyProxy.
        "parametersRef" => parameters_ref: Option<crate::api::LocalObjectReference>,
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
        /// The namespaces of the ListenerSets.
        "namespaces" => namespaces: Option<ListenerNamespaces>,
    }
}

object! {
    /// The namespaces from which ListenerSets may attach.
    pub closed ListenerNamespaces {
        /// How namespaces are chosen.
        "from" => from: FromNamespaces = FromNamespaces::None,
        /// The labels of the namespaces, with `Selector`.
        "selector" => selector: Option<LabelSelector>,
    }
}

object! {
    /// The TLS settings of a Gateway.
    pub closed GatewayTLSConfig {
        /// TLS to backends.
        "backend" => backend: Option<GatewayBackendTLS>,
        /// TLS with clients.
        "frontend" => frontend: Option<FrontendTLSConfig>,
    }
}

object! {
    /// TLS to backends.
    pub closed GatewayBackendTLS {
        /// The client certificate that is presented to backends.
        "clientCertificateRef" => client_certificate_ref: Option<SecretObjectReference>,
    }
}

object! {
    /// TLS with clients.
    pub closed FrontendTLSConfig checked by FrontendTLSConfig::check {
        /// The settings for every port that isn't in `perPort`.
        "default" => default: TLSConfig,
        /// The settings for individual ports.
        "perPort" => per_port: Vec<TLSPortConfig> [0..=64],
    }
}

impl FrontendTLSConfig {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let ports = self.per_port.iter().map(|port| Some(port.port));
        check_unique(node, "perPort", ports, "the port appears twice", decoder);
    }
}

object! {
    /// TLS with the clients of one port.
    pub closed TLSPortConfig {
        /// The port.
        "port" => port: PortNumber,
        /// The settings.
        "tls" => tls: TLSConfig,
    }
}

object! {
    /// The requirements for clients.
    pub closed TLSConfig {
        /// How client certificates are validated; absent if none are requested.
        "validation" => validation: Option<FrontendTLSValidation>,
    }
}

object! {
    /// How client certificates are validated.
    pub closed FrontendTLSValidation checked by FrontendTLSValidation::check {
        /// The trusted authorities.
        "caCertificateRefs" => ca_certificate_refs: Vec<ObjectReference> [1..=16],
        /// What happens to a client without a valid certificate.
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
        /// It is refused.
        AllowValidOnly,
        /// It is admitted.
        AllowInsecureFallback,
    }
}
