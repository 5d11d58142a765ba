use gatefold_diagnostic::Document;
use gatefold_manifest::Resources;
use gatefold_manifest::api::{GATEWAY_GROUP, Object, ObjectMeta};
use std::sync::Arc;

/// A kind as it is served.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The API group; empty for the core one.
    pub group: &'static str,
    /// The one version that is served.
    pub version: &'static str,
    /// The kind: `HTTPRoute`.
    pub kind: &'static str,
    /// The name in paths: `httproutes`.
    pub resource: &'static str,
    /// The singular of it.
    pub singular: &'static str,
    /// Short names, as kubectl has them.
    pub short_names: &'static [&'static str],
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

macro_rules! kinds {
    ($($group:expr, $version:literal, $kind:literal, $resource:literal, $singular:literal, $short:expr, $namespaced:literal;)+) => {
        /// Every kind that is read.
        const ALL: &[Kind] = &[$(Kind {
            group: $group,
            version: $version,
            kind: $kind,
            resource: $resource,
            singular: $singular,
            short_names: &$short,
            namespaced: $namespaced,
        },)+];
    };
}

kinds! {
    GATEWAY_GROUP, "v1", "GatewayClass", "gatewayclasses", "gatewayclass", ["gc"], false;
    GATEWAY_GROUP, "v1", "Gateway", "gateways", "gateway", ["gtw"], true;
    GATEWAY_GROUP, "v1", "ListenerSet", "listenersets", "listenerset", ["lset"], true;
    GATEWAY_GROUP, "v1", "HTTPRoute", "httproutes", "httproute", [], true;
    GATEWAY_GROUP, "v1", "ReferenceGrant", "referencegrants", "referencegrant", ["refgrant"], true;
    GATEWAY_GROUP, "v1", "BackendTLSPolicy", "backendtlspolicies", "backendtlspolicy", ["btlspolicy"], true;
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", [], true;
    "", "v1", "Service", "services", "service", ["svc"], true;
    "", "v1", "Endpoints", "endpoints", "endpoints", ["ep"], true;
    "", "v1", "Secret", "secrets", "secret", [], true;
    "", "v1", "ConfigMap", "configmaps", "configmap", ["cm"], true;
    "", "v1", "Namespace", "namespaces", "namespace", ["ns"], false;
    "", "v1", "Pod", "pods", "pod", ["po"], true;
}

/// An object, without its type.
pub(super) struct Entry<'a> {
    pub(super) meta: &'a ObjectMeta,
    pub(super) document: &'a Document,
}

impl Kind {
    /// Every kind that is read.
    pub fn all() -> &'static [Kind] {
        ALL
    }

    /// By what people call it on a command line: `gateways`, `Gateway`, `gtw`,
    /// `gateways.gateway.networking.k8s.io`.
    pub fn named(name: &str) -> Option<&'static Kind> {
        let name = name.to_ascii_lowercase();
        let plain = name
            .split_once('.')
            .map_or(name.as_str(), |(plain, _)| plain);
        ALL.iter().find(|kind| {
            kind.resource == plain || kind.singular == plain || kind.short_names.contains(&plain)
        })
    }

    /// `gateway.networking.k8s.io/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The path of a list, or of one object.
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let mut path = format!("{root}/{}", self.api_version());
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(self.resource);
        if let Some(name) = name {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// All its objects in force, in order.
    pub(super) fn objects<'r>(&self, resources: &'r Resources) -> Vec<Entry<'r>> {
        match self.kind {
            "GatewayClass" => entries(resources.gateway_classes.values()),
            "Gateway" => entries(resources.gateways.values()),
            "ListenerSet" => entries(resources.listener_sets.values()),
            "HTTPRoute" => entries(resources.http_routes.values()),
            "ReferenceGrant" => entries(resources.reference_grants.values()),
            "BackendTLSPolicy" => entries(resources.backend_tls_policies.values()),
            "EndpointSlice" => entries(resources.endpoint_slices.values()),
            "Service" => entries(resources.services.values()),
            "Endpoints" => entries(resources.endpoints.values()),
            "Secret" => entries(resources.secrets.values()),
            "ConfigMap" => entries(resources.config_maps.values()),
            "Namespace" => entries(resources.namespaces.values()),
            "Pod" => entries(resources.pods.values()),
            _ => Vec::new(),
        }
    }
}

fn entries<'r, S: 'r>(objects: impl Iterator<Item = &'r Arc<Object<S>>>) -> Vec<Entry<'r>> {
    objects
        .map(|object| Entry {
            meta: &object.meta,
            document: &object.document,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_every_name_that_kubectl_knows() {
        for name in [
            "gateways",
            "Gateway",
            "gtw",
            "gateways.gateway.networking.k8s.io",
        ] {
            assert_eq!(
                Kind::named(name).map(|kind| kind.kind),
                Some("Gateway"),
                "{name}"
            );
        }
        assert_eq!(Kind::named("deployments"), None);
    }

    #[test]
    fn every_kind_has_objects_to_show() {
        let manifests = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: c}
spec: {controllerName: example.com/c}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: c, listeners: [{name: http, protocol: HTTP, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: l}
spec: {parentRef: {name: g}, listeners: [{name: http, protocol: HTTP, port: 81}]}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: {}}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: rg}
spec: {from: [{group: \"\", kind: Service, namespace: a}], to: [{group: \"\", kind: Service}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: \"\", kind: Service, name: s}]
  validation: {hostname: s.example.com, wellKnownCACertificates: System}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e}, addressType: IPv4, endpoints: []}
---
{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: s}}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: p}}
";
        let loaded = gatefold_manifest::Loader::from_text("all.yaml", manifests);
        for kind in Kind::all() {
            assert_eq!(
                kind.objects(&loaded.resources).len(),
                1,
                "{}: {:?}",
                kind.kind,
                loaded.diagnostics
            );
        }
    }
}
