//! Listeners of Gateways and ListenerSets.

use crate::Decoder;
use crate::api::{
    GATEWAY_GROUP, HTTPExternalAuthFilter, Hostname, LabelSelector, LocalObjectReference,
    PortNumber, SecretObjectReference, SectionName, check_union, check_unique, choice, object,
    refuse, rule,
};
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;

object! {
    /// A port, protocol and hostname on which requests are accepted.
    pub closed Listener checked by Listener::check {
        /// The name, unique within the Gateway or ListenerSet.
        "name" => name: SectionName,
        /// The hostname that is served; absent for any hostname.
        "hostname" => hostname: Option<Hostname>,
        /// The port.
        "port" => port: PortNumber,
        /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or a name with a domain.
        "protocol" => protocol: String where rule::protocol,
        /// The TLS settings; required for HTTPS and TLS.
        "tls" => tls: Option<ListenerTLSConfig>,
        /// Which routes may attach; absent for routes of the same namespace and of the kinds of the protocol.
        "allowedRoutes" => allowed_routes: Option<AllowedRoutes>,
        /// Filters that run before a route is chosen (experimental).
        "filters" => filters: Option<ListenerFilters>,
    }
}

object! {
    /// Filters that run before a route is chosen.
    pub closed ListenerFilters {
        /// The filters for every request, in this order.
        "requests" => requests: Vec<ListenerFilter> [0..=16],
    }
}

object! {
    /// One filter of a listener. Exactly the field that `type` names is set.
    pub closed ListenerFilter checked by ListenerFilter::check {
        /// Which filter.
        "type" => kind: ListenerFilterType,
        /// Asks an authorization server.
        "externalAuth" => external_auth: Option<HTTPExternalAuthFilter>,
        /// An implementation-specific filter; gatefold has none.
        "extensionRef" => extension_ref: Option<LocalObjectReference>,
    }
}

choice! {
    /// Which filter.
    pub ListenerFilterType {
        /// Extended.
        ExternalAuth,
        /// Implementation-specific.
        ExtensionRef,
    }
}

object! {
    /// The TLS settings of a listener.
    pub closed ListenerTLSConfig checked by ListenerTLSConfig::check {
        /// Whether TLS is terminated or passed through.
        "mode" => mode: TLSModeType = TLSModeType::Terminate,
        /// Certificates with their keys.
        "certificateRefs" => certificate_refs: Vec<SecretObjectReference> [0..=64],
        /// Implementation-specific options; gatefold has none.
        "options" => options: BTreeMap<String, String> [0..=16],
    }
}

choice! {
    /// Where a TLS session ends.
    pub TLSModeType {
        /// At the Gateway.
        Terminate,
        /// At the backend.
        Passthrough,
    }
}

object! {
    /// Which routes may attach to a listener.
    pub closed AllowedRoutes {
        /// The namespaces of the routes.
        "namespaces" => namespaces: RouteNamespaces = RouteNamespaces::default(),
        /// The kinds of the routes; empty for the kinds of the protocol.
        "kinds" => kinds: Vec<RouteGroupKind> [0..=8],
    }
}

object! {
    /// The namespaces from which routes may attach.
    pub closed RouteNamespaces checked by RouteNamespaces::check {
        /// How namespaces are chosen.
        "from" => from: FromNamespaces = FromNamespaces::Same,
        /// The labels of the namespaces, with `Selector`.
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
        /// The namespaces whose labels match the selector.
        Selector,
        /// The Gateway's own namespace.
        Same,
        /// No namespace.
        None,
    }
}

object! {
    /// A kind of route.
    pub closed RouteGroupKind {
        /// The API group.
        "group" => group: String where rule::group = GATEWAY_GROUP.to_owned(),
        /// The kind.
        "kind" => kind: String where rule::kind,
    }
}

impl Listener {
    /// Checks that the listeners of one object are distinct.
    pub(in crate::api) fn check_list(
        list: &[Listener],
        object: &str,
        node: &Node,
        decoder: &mut Decoder,
    ) {
        let names = list.iter().map(|listener| Some(&listener.name));
        let what = format!("listeners of {object} must have different names");
        check_unique(node, "listeners", names, &what, decoder);
        let ends = list
            .iter()
            .map(|listener| Some((listener.port, &listener.protocol, &listener.hostname)));
        let what = format!("listeners of {object} must differ in port, protocol or hostname");
        check_unique(node, "listeners", ends, &what, decoder);
    }

    /// Checks which fields are allowed with the protocol (rules of `GatewaySpec.listeners`).
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let protocol = &*self.protocol;
        let tls = self.tls.as_ref();
        if matches!(protocol, "HTTP" | "TCP" | "UDP") && tls.is_some() {
            let why = format!("a listener with protocol {protocol} has no TLS");
            refuse(node, "tls", &why, decoder);
            if protocol == "HTTP" {
                decoder.suggest("write `protocol: HTTPS`, or leave `tls` out");
            }
        }
        if protocol == "HTTPS" && tls.is_some_and(|tls| tls.mode != TLSModeType::Terminate) {
            let why = "with protocol HTTPS the mode must be Terminate";
            refuse(node, "tls", why, decoder);
        }
        if protocol == "TLS" && tls.is_none() {
            refuse(
                node,
                "tls",
                "is required in a listener with protocol TLS",
                decoder,
            );
        }
        if matches!(protocol, "TCP" | "UDP") && self.hostname.is_some() {
            let why = format!("a listener with protocol {protocol} can't distinguish hostnames");
            refuse(node, "hostname", &why, decoder);
        }
        if !matches!(protocol, "HTTP" | "HTTPS") && self.filters.is_some() {
            let why = format!("a listener with protocol {protocol} has no filters");
            refuse(node, "filters", &why, decoder);
        }
    }
}

impl ListenerFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let wanted = match self.kind {
            ListenerFilterType::ExternalAuth => "externalAuth",
            ListenerFilterType::ExtensionRef => "extensionRef",
        };
        let fields = [
            ("externalAuth", self.external_auth.is_some()),
            ("extensionRef", self.extension_ref.is_some()),
        ];
        let with = format!("type {}", self.kind.as_str());
        check_union(&with, wanted, &fields, node, decoder);
    }
}

impl ListenerTLSConfig {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let bare = self.certificate_refs.is_empty() && self.options.is_empty();
        if self.mode == TLSModeType::Terminate && bare {
            let why = "a certificate is required to terminate TLS";
            refuse(node, "certificateRefs", why, decoder);
        }
    }
}

impl RouteNamespaces {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.from == FromNamespaces::None {
            let why = "`None` isn't one of All, Selector, Same";
            refuse(node, "from", why, decoder);
        }
    }
}
