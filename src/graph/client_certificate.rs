//! What a Gateway shows to backends in TLS (API: `GatewayBackendTLS.clientCertificateRef`).

use super::certificate::{self, CertificateProblem};
use super::listener::Problem;
use super::reference_grant::{Referent, Referrer, missing_grant};
use super::{Build, names_in, suggest};
use crate::diagnostic::{Code, Diagnostic, Pointer};
use crate::manifest::api::{GATEWAY_GROUP, Gateway, NamespacedName, Secret, SecretObjectReference};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use std::sync::Arc;

/// A client certificate with its key.
#[derive(Debug)]
pub struct ClientCertificate {
    /// Ready for use.
    pub certified_key: Arc<CertifiedKey>,
    /// The key as it is written.
    pub key: PrivateKeyDer<'static>,
}

/// A Gateway's client certificate. Without one, or with one that can't be used, backends are shown nothing: those
/// that insist end the handshake.
pub(super) fn resolve(
    gateway: &Gateway,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<Arc<ClientCertificate>> {
    let backend = gateway.spec.tls.as_ref()?.backend.as_ref()?;
    let reference = backend.client_certificate_ref.as_ref()?;
    match certificate(gateway, reference, build) {
        Ok(found) => Some(Arc::new(found)),
        Err((reason, found)) => {
            problems.push((reason, found.message.clone()));
            build.diagnostics.push(*found);
            None
        }
    }
}

type Refusal = (&'static str, Box<Diagnostic>);

fn refusal(reason: &'static str, found: Diagnostic) -> Refusal {
    (reason, Box::new(found))
}

fn certificate(
    gateway: &Gateway,
    reference: &SecretObjectReference,
    build: &mut Build<'_>,
) -> Result<ClientCertificate, Refusal> {
    let namespace = reference.namespace.as_deref();
    let namespace = namespace.unwrap_or(&gateway.meta.namespace);
    let key = NamespacedName::new(namespace, reference.name.as_str());
    if !reference.group.is_empty() || reference.kind != "Secret" {
        let (group, kind) = (&reference.group, &reference.kind);
        let message = format!(
            "a certificate of kind `{kind}` (group `{group}`) isn't supported; a Secret is"
        );
        let code = Code::UnsupportedCertificateKind;
        let found = finding(gateway, code, pointer(), &message);
        return Err(refusal(INVALID, found));
    }
    check_grant(gateway, &key, build)?;
    let secrets = &build.resources.secrets;
    let Some(secret) = secrets.get(&key) else {
        let message = format!("Secret {key} isn't in the folder");
        let code = Code::CertificateNotFound;
        let mut found = finding(gateway, code, pointer().key("name"), &message);
        found.help = suggest(&reference.name, names_in(secrets, namespace));
        return Err(refusal(INVALID, found));
    };
    load(gateway, secret, build)
}

/// The API's reason.
const INVALID: &str = "InvalidClientCertificateRef";

fn pointer() -> Pointer {
    let tls = Pointer::spec().key("tls");
    tls.key("backend").key("clientCertificateRef")
}

/// Whether Gateways of this namespace may use the Secret (API: `ReferenceGrant`).
fn check_grant(gateway: &Gateway, key: &NamespacedName, build: &Build<'_>) -> Result<(), Refusal> {
    let own = &*gateway.meta.namespace;
    let from = Referrer {
        group: GATEWAY_GROUP,
        kind: "Gateway",
        namespace: own,
    };
    let to = Referent {
        group: "",
        kind: "Secret",
        namespace: &key.namespace,
        name: &key.name,
    };
    if build.grants.permit(from, to) {
        return Ok(());
    }
    let message =
        format!("no ReferenceGrant permits Gateways of namespace `{own}` to use Secret {key}");
    let found = finding(gateway, Code::ReferenceNotPermitted, pointer(), &message);
    Err(refusal(
        "RefNotPermitted",
        found.help(missing_grant(from, to)),
    ))
}

fn load(
    gateway: &Gateway,
    secret: &Secret,
    build: &mut Build<'_>,
) -> Result<ClientCertificate, Refusal> {
    let loaded = certificate::load(secret, build.environment.now)
        .map_err(|problem| unusable(gateway, secret, &problem))?;
    for warning in loaded.warnings {
        let message = format!("Secret {}: {warning}", secret.key());
        let found = finding(gateway, Code::CertificateNotValidNow, pointer(), &message);
        let place = secret.place(super::name_pointer());
        build.diagnostics.push(found.label(place, "the Secret"));
    }
    Ok(ClientCertificate {
        certified_key: loaded.certified_key,
        key: loaded.key,
    })
}

fn unusable(gateway: &Gateway, secret: &Secret, problem: &CertificateProblem) -> Refusal {
    let message = format!("Secret {} can't be used: {problem}", secret.key());
    let found = finding(gateway, Code::InvalidCertificate, pointer(), &message);
    let place = secret.place(super::name_pointer());
    refusal(INVALID, found.label(place, "the Secret"))
}

fn finding(gateway: &Gateway, code: Code, pointer: Pointer, message: &str) -> Diagnostic {
    Diagnostic::new(code, gateway.place(pointer), message).about(gateway.id())
}
