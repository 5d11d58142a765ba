//! Advice about objects of versions that gatefold doesn't read: what must change besides `apiVersion`.

use crate::kind::Kind;

/// The fields that have changed since an old version of a kind.
const CHANGES: &[(Kind, &str, &str)] = &[
    (
        Kind::BackendTLSPolicy,
        "v1alpha2",
        "change its fields: `spec.targetRef` is now the list `spec.targetRefs`, `spec.tls` is `spec.validation`, and in it \
         `caCertRefs` is `caCertificateRefs` and `wellKnownCACerts` is `wellKnownCACertificates`",
    ),
    (
        Kind::GatewayClass,
        "v1alpha1",
        "change its fields: `spec.controller` is now `spec.controllerName`",
    ),
    (
        Kind::Gateway,
        "v1alpha1",
        "change its fields: a listener has a `name` and `allowedRoutes` in place of `routes`, and routes name the Gateway \
         in `parentRefs`",
    ),
    (
        Kind::HTTPRoute,
        "v1alpha1",
        "change its fields: `spec.gateways` is now `spec.parentRefs`, `forwardTo` is `backendRefs`, and types are spelled \
         `PathPrefix`, `Exact` and `RegularExpression`",
    ),
    (
        Kind::EndpointSlice,
        "v1beta1",
        "change its fields: an endpoint's `topology` is now `nodeName`, `zone` and `deprecatedTopology`",
    ),
];

/// Advice about the fields of an object with an old `apiVersion`. `None` if none have changed.
pub(crate) fn changes(kind: Kind, api_version: &str) -> Option<&'static str> {
    let (_, version) = api_version.split_once('/')?;
    let mut changes = CHANGES.iter();
    let found = changes.find(|(changed, old, _)| *changed == kind && *old == version);
    found.map(|(_, _, advice)| *advice)
}
