//! What a Gateway shows to backends in TLS (API: `GatewayBackendTLS.clientCertificateRef`).

use super::certificate::Certificate;
use super::listener::Problem;
use super::reference_grant::{Referent, Referrer, missing_grant};
use super::{Build, names_in, suggest};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    GATEWAY_GROUP, Gateway, NamespacedName, Secret, SecretObjectReference,
};
use std::sync::Arc;

/// A Gateway's client certificate. Without one, or with one that can't be used, backends are shown nothing: those
/// that insist end the handshake.
pub(super) fn resolve(
    gateway: &Gateway,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<Arc<Certificate>> {
    let backend = gateway.spec.tls.as_ref()?.backend.as_ref()?;
    let reference = backend.client_certificate_ref.as_ref()?;
    match secret(gateway, reference, build) {
        Ok(secret) => load(gateway, secret, problems, build),
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

/// The Secret that the reference resolves to.
fn secret<'a>(
    gateway: &Gateway,
    reference: &SecretObjectReference,
    build: &Build<'a>,
) -> Result<&'a Secret, Refusal> {
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
    Ok(secret)
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

/// The Secret's certificate, or the last good one.
fn load(
    gateway: &Gateway,
    secret: &Secret,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<Arc<Certificate>> {
    let key = secret.key();
    let secret_place = || secret.place(super::name_pointer());
    let loaded = build.load_pair(secret);
    if let Some(problem) = loaded.problem {
        let message = format!("Secret {key} can't be used: {}", problem.why);
        problems.push((INVALID, problem.message(&message)));
        let mut found = finding(gateway, Code::InvalidCertificate, pointer(), &message);
        found = found.label(secret_place(), "the Secret");
        found.notes.extend(problem.note);
        build.diagnostics.push(found);
    }
    let certificate = loaded.in_force?;
    for warning in certificate.warnings(build.environment.now) {
        let message = format!("Secret {key}: {warning}");
        let found = finding(gateway, warning.code(), pointer(), &message);
        build
            .diagnostics
            .push(found.label(secret_place(), "the Secret"));
    }
    Some(certificate)
}

fn finding(gateway: &Gateway, code: Code, pointer: Pointer, message: &str) -> Diagnostic {
    Diagnostic::new(code, gateway.place(pointer), message).about(gateway.id())
}
