//! The client certificate that a Gateway shows to backends in TLS (API: `GatewayBackendTLS.clientCertificateRef`).

use super::{Certificate, CertificateReference, KeyPair};
use crate::Build;
use crate::condition::{Problem, Reason};
use crate::reference::{ReferenceField, ReferenceScope};
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::Gateway;
use std::sync::Arc;

const CLIENT_CERTIFICATE_REF: ReferenceField = ReferenceField {
    role: "a certificate",
    supported: "a Secret",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (
        Code::UnsupportedCertificateKind,
        Reason::InvalidClientCertificateRef,
    ),
    not_found: (
        Code::CertificateNotFound,
        Reason::InvalidClientCertificateRef,
    ),
};

/// Returns the client certificate of a Gateway. If it has none, or none that can be used, it shows no certificate to
/// backends, and a backend that requires one ends the handshake.
pub(crate) fn resolve(
    gateway: &Gateway,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<Arc<Certificate>> {
    let backend = gateway.spec.tls.as_ref()?.backend.as_ref()?;
    let reference = backend.client_certificate_ref.as_ref()?;
    let tls = Pointer::spec().key("tls");
    let reference = CertificateReference {
        subject: gateway,
        field: &CLIENT_CERTIFICATE_REF,
        reference: reference.into(),
        pointer: tls.key("backend").key("clientCertificateRef"),
    };
    reference.load::<KeyPair>(problems, build)
}
