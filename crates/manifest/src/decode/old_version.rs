//! Which fields must change in an object with an old version, in addition to its `apiVersion`.

use crate::kind::Kind;

/// A help text with the fields that were renamed since an old version that gatefold doesn't read.
pub(crate) fn changes(kind: Kind, api_version: &str) -> Option<&'static str> {
    let (_, version) = api_version.split_once('/')?;
    match (kind, version) {
        (Kind::BackendTLSPolicy, "v1alpha2") => Some(
            "change its fields: `spec.targetRef` is now the list `spec.targetRefs`, `spec.tls` is `spec.validation`, and in it \
             `caCertRefs` is `caCertificateRefs` and `wellKnownCACerts` is `wellKnownCACertificates`",
        ),
        (Kind::GatewayClass, "v1alpha1") => {
            Some("change its fields: `spec.controller` is now `spec.controllerName`")
        }
        (Kind::Gateway, "v1alpha1") => Some(
            "change its fields: a listener has a `name` and `allowedRoutes` in place of `routes`, and routes name the Gateway \
             in `parentRefs`",
        ),
        (Kind::HTTPRoute, "v1alpha1") => Some(
            "change its fields: `spec.gateways` is now `spec.parentRefs`, `forwardTo` is `backendRefs`, and types are spelled \
             `PathPrefix`, `Exact` and `RegularExpression`",
        ),
        (Kind::EndpointSlice, "v1beta1") => Some(
            "change its fields: an endpoint's `topology` is now `nodeName`, `zone` and `deprecatedTopology`",
        ),
        _ => None,
    }
}
