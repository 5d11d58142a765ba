//! The certificates of an HTTPS listener (API: `ListenerTLSConfig.certificateRefs`).

use super::CertificateReference;
use crate::Build;
use crate::condition::{Problem, Reason};
use crate::listener::ListenerAt;
use crate::reference::{ReferenceField, ReferenceScope};
use gatefold_diagnostic::Code;
use gatefold_manifest::api::SecretFields;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

const CERTIFICATE_REFS: ReferenceField = ReferenceField {
    role: "a certificate",
    supported: "a Secret",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (
        Code::UnsupportedCertificateKind,
        Reason::InvalidCertificateRef,
    ),
    not_found: (Code::CertificateNotFound, Reason::InvalidCertificateRef),
};

/// Returns the certificates that can be served, in the order of the manifest. Problems with the others go to `problems`.
///
/// A ListenerSet needs its own ReferenceGrant: it doesn't inherit that of its Gateway (API: `ReferenceGrant`, `ListenerSet`).
pub(crate) fn certificates(
    at: ListenerAt<'_>,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<Arc<CertifiedKey>> {
    let tls = at.listener.tls.as_ref();
    let references = tls.map_or(&[][..], |tls| &tls.certificate_refs);
    if references.is_empty() {
        problems.push(no_certificate(at, build));
    }
    if tls.is_some_and(|tls| !tls.options.is_empty()) {
        let pointer = at.pointer().key("tls").key("options");
        let message = "gatefold has no TLS options; these aren't used";
        let finding = at.finding(Code::UnsupportedField, pointer, message);
        build.diagnostics.push(finding);
    }
    let list = at.pointer().key("tls").key("certificateRefs");
    let references = references.iter().enumerate();
    let certificates = references.filter_map(|(index, reference)| {
        let reference = CertificateReference {
            subject: at.owner,
            field: &CERTIFICATE_REFS,
            reference: reference.into(),
            pointer: list.index(index),
        };
        let certificate = reference.load::<SecretFields>(problems, build)?;
        Some(certificate.certified_key.clone())
    });
    certificates.collect()
}

fn no_certificate(at: ListenerAt<'_>, build: &mut Build<'_>) -> Problem {
    let message = "an HTTPS listener needs a certificate in `tls.certificateRefs`";
    let pointer = match at.listener.tls {
        Some(_) => at.pointer().key("tls"),
        None => at.pointer(),
    };
    let finding = at.finding(Code::InvalidListenerTls, pointer, message);
    build.diagnostics.push(finding.help(
        "add `tls: {certificateRefs: [{name: SECRET}]}` with a Secret of type kubernetes.io/tls",
    ));
    Problem::new(Reason::InvalidCertificateRef, message)
}
