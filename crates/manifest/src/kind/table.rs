//! The table of kinds.
//!
//! One entry for each kind that gatefold reads. `Kind`, `Resources`, the decoding, the comparison of two loads and
//! the names in the admin API are generated from it. What a layer above adds to a kind (printed columns, statuses)
//! is an exhaustive `match` on `Kind` in that layer, so the compiler lists what a new entry still needs.

/// Passes the table to another macro. Each entry has the form
/// `Kind(Fields in set), Scope, "plural" { details }`: the type of the kind's own fields in [`api`](crate::api),
/// the field of [`Resources`](crate::Resources) that holds the objects, and the [`Details`](super::Details). The
/// last entry holds the policies whose kinds aren't in the table.
macro_rules! for_each_kind {
    ($then:ident) => {
        $then! {
            kinds {
                /// GatewayClasses.
                GatewayClass(GatewayClassSpec in gateway_classes), Cluster, "gatewayclasses" {
                    versions: &["v1", "v1beta1"], short_names: &["gc"], ..GATEWAY_API
                };
                /// Gateways.
                Gateway(GatewaySpec in gateways), Namespaced, "gateways" {
                    versions: &["v1", "v1beta1"], short_names: &["gtw"], ..GATEWAY_API
                };
                /// ListenerSets.
                ListenerSet(ListenerSetSpec in listener_sets), Namespaced, "listenersets" {
                    short_names: &["lset"], ..GATEWAY_API
                };
                /// HTTPRoutes.
                HTTPRoute(HTTPRouteSpec in http_routes), Namespaced, "httproutes" {
                    versions: &["v1", "v1beta1"], ..ROUTE
                };
                /// GRPCRoutes.
                GRPCRoute(GRPCRouteSpec in grpc_routes), Namespaced, "grpcroutes" {
                    ..ROUTE
                };
                /// ReferenceGrants.
                ReferenceGrant(ReferenceGrantSpec in reference_grants), Namespaced, "referencegrants" {
                    versions: &["v1", "v1beta1"], short_names: &["refgrant"], reports_status: false, ..GATEWAY_API
                };
                /// BackendTLSPolicies.
                BackendTLSPolicy(BackendTLSPolicySpec in backend_tls_policies), Namespaced, "backendtlspolicies" {
                    versions: &["v1", "v1alpha3"], short_names: &["btlspolicy"], protects_targets: true, ..GATEWAY_API
                };
                /// SecurityPolicies of Envoy Gateway.
                SecurityPolicy(SecurityPolicySpec in security_policies), Namespaced, "securitypolicies" {
                    short_names: &["sp"], protects_targets: true, ..ENVOY_GATEWAY
                };
                /// ClientTrafficPolicies of Envoy Gateway.
                ClientTrafficPolicy(ClientTrafficPolicySpec in client_traffic_policies), Namespaced, "clienttrafficpolicies" {
                    short_names: &["ctp"], protects_targets: true, ..ENVOY_GATEWAY
                };
                /// EnvoyProxies of Envoy Gateway: parameters of GatewayClasses and Gateways.
                EnvoyProxy(EnvoyProxySpec in envoy_proxies), Namespaced, "envoyproxies" {
                    short_names: &["eproxy"], reports_status: false, invalidates: Invalidates::Users, ..ENVOY_GATEWAY
                };
                /// Services.
                Service(ServiceSpec in services), Namespaced, "services" {
                    short_names: &["svc"], body: Body::OptionalSpec, names: NameRule::Service,
                    invalidates: Invalidates::Endpoints, ..CORE
                };
                /// EndpointSlices.
                EndpointSlice(EndpointSliceFields in endpoint_slices), Namespaced, "endpointslices" {
                    group: "discovery.k8s.io", invalidates: Invalidates::Endpoints, ..CORE
                };
                /// Endpoints.
                Endpoints(EndpointsFields in endpoints), Namespaced, "endpoints" {
                    short_names: &["ep"], invalidates: Invalidates::Endpoints, ..CORE
                };
                /// Secrets.
                Secret(SecretFields in secrets), Namespaced, "secrets" { invalidates: Invalidates::Users, ..CORE };
                /// ConfigMaps.
                ConfigMap(ConfigMapFields in config_maps), Namespaced, "configmaps" {
                    short_names: &["cm"], invalidates: Invalidates::Users, ..CORE
                };
                /// Namespaces that a file defines.
                Namespace(NamespaceFields in namespaces), Cluster, "namespaces" {
                    short_names: &["ns"], names: NameRule::Label, ..CORE
                };
                /// Pods.
                Pod(PodFields in pods), Namespaced, "pods" {
                    short_names: &["po"], invalidates: Invalidates::Endpoints, ..CORE
                };
            }
            otherwise
            /// Policies of kinds that gatefold doesn't read.
            UnreadPolicy in unread_policies
        }
    };
}

pub(crate) use for_each_kind;
