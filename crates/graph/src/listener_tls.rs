//! TLS of an HTTPS listener: the certificates it refers to.

use super::condition::{Problem, Reason};
use super::listener::ListenerAt;
use super::reference_grant::{Referent, Referrer, missing_grant};
use super::{Build, names_in, suggest};
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{GATEWAY_GROUP, NamespacedName, Secret, SecretObjectReference};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificates that can be served, in the order of the manifest. What is wrong with the others goes
/// to `problems`.
pub(super) fn certificates(
    at: ListenerAt<'_>,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<Arc<CertifiedKey>> {
    let tls = at.listener.tls.as_ref();
    let references = tls.map_or(&[][..], |tls| &tls.certificate_refs);
    if references.is_empty() {
        let message = "an HTTPS listener needs a certificate in `tls.certificateRefs`";
        let pointer = match tls {
            Some(_) => at.pointer().key("tls"),
            None => at.pointer(),
        };
        let finding = at.finding(Code::InvalidListenerTls, pointer, message);
        build.diagnostics.push(finding.help(
            "add `tls: {certificateRefs: [{name: SECRET}]}` with a Secret of type kubernetes.io/tls",
        ));
        problems.push(Problem::new(
            Reason::InvalidCertificateRef,
            message.to_owned(),
        ));
    }
    if tls.is_some_and(|tls| !tls.options.is_empty()) {
        let pointer = at.pointer().key("tls").key("options");
        let message = "gatefold has no TLS options; these aren't used";
        let finding = at.finding(Code::UnsupportedField, pointer, message);
        build.diagnostics.push(finding);
    }
    let list = at.pointer().key("tls").key("certificateRefs");
    let mut certificates = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let pointer = list.index(index);
        match secret(at, reference, &pointer, build) {
            Ok(secret) => certificates.extend(load(at, secret, &pointer, problems, build)),
            Err(problem) => problems.push(problem),
        }
    }
    certificates
}

/// The Secret that a reference resolves to.
fn secret<'a>(
    at: ListenerAt<'_>,
    reference: &SecretObjectReference,
    pointer: &Pointer,
    build: &mut Build<'a>,
) -> Result<&'a Secret, Problem> {
    let own = at.owner.namespace();
    let namespace = reference.namespace.as_deref().unwrap_or(own);
    let key = NamespacedName::new(namespace, reference.name.as_str());
    if !reference.group.is_empty() || reference.kind != "Secret" {
        let (group, kind) = (&reference.group, &reference.kind);
        let message = format!(
            "a certificate of kind `{kind}` (group `{group}`) isn't supported; a Secret is"
        );
        let finding = at.finding(Code::UnsupportedCertificateKind, pointer.clone(), &*message);
        build.diagnostics.push(finding);
        return Err(Problem::new(Reason::InvalidCertificateRef, message));
    }
    check_grant(at, reference, &key, pointer, build)?;
    let resources = build.resources;
    let Some(secret) = resources.secrets.get(&key) else {
        let message = format!("Secret {key} isn't in the folder");
        let known = names_in(&resources.secrets, namespace);
        let help = suggest(&reference.name, known);
        let mut finding = at.finding(Code::CertificateNotFound, pointer.key("name"), &*message);
        finding.help = help;
        build.diagnostics.push(finding);
        return Err(Problem::new(Reason::InvalidCertificateRef, message));
    };
    Ok(secret)
}

/// Whether Gateways, or ListenerSets, of this namespace may use the Secret. What a Gateway may isn't inherited by
/// its sets (API: `ReferenceGrant`, `ListenerSet`).
fn check_grant(
    at: ListenerAt<'_>,
    reference: &SecretObjectReference,
    key: &NamespacedName,
    pointer: &Pointer,
    build: &mut Build<'_>,
) -> Result<(), Problem> {
    let own = at.owner.namespace();
    let from = Referrer {
        group: GATEWAY_GROUP,
        kind: at.owner.kind(),
        namespace: own,
    };
    let to = Referent {
        group: "",
        kind: "Secret",
        namespace: &key.namespace,
        name: &reference.name,
    };
    if build.grants.permit(from, to) {
        return Ok(());
    }
    let kind = at.owner.kind();
    let message =
        format!("no ReferenceGrant permits {kind}s of namespace `{own}` to use Secret {key}");
    let finding = at.finding(Code::ReferenceNotPermitted, pointer.clone(), &*message);
    build
        .diagnostics
        .push(finding.help(missing_grant(from, to)));
    Err(Problem::new(Reason::RefNotPermitted, message))
}

/// The Secret's certificate, or the last good one. What is wrong with the Secret goes to `problems`.
fn load(
    at: ListenerAt<'_>,
    secret: &Secret,
    pointer: &Pointer,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<Arc<CertifiedKey>> {
    let key = secret.key();
    let loaded = build.load_pair(secret);
    if let Some(problem) = loaded.problem {
        let message = format!("Secret {key} can't be served: {}", problem.why);
        problems.push(Problem::new(
            Reason::InvalidCertificateRef,
            problem.message(&message),
        ));
        let mut finding = at.finding(Code::InvalidCertificate, pointer.clone(), message);
        if let Some(entry) = problem.entry {
            let place = secret.place(place_of(secret, entry));
            finding = finding.label(place, format!("`{entry}` is here"));
        }
        finding.notes.extend(problem.note);
        build.diagnostics.push(finding);
    }
    let certificate = loaded.in_force?;
    for warning in certificate.warnings(build.environment.now) {
        let message = format!("Secret {key}: {warning}");
        let finding = at.finding(warning.code(), pointer.clone(), message);
        let place = secret.place(super::name_pointer());
        build.diagnostics.push(finding.label(place, "the Secret"));
    }
    Some(certificate.certified_key.clone())
}

fn place_of(secret: &Secret, entry: &str) -> Pointer {
    match secret.spec.string_data.contains_key(entry) {
        true => Pointer::root().key("stringData").key(entry.to_owned()),
        false => Pointer::root().key("data").key(entry.to_owned()),
    }
}
