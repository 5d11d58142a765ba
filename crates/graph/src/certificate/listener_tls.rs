//! The certificates of an HTTPS listener (API: `ListenerTLSConfig.certificateRefs`).

use super::{CertificateReference, KeyPair};
use crate::condition::{Problem, Reason};
use crate::gateway::GatewayNodes;
use crate::listener::{ListenerAt, ListenerId};
use crate::reference::{ReferenceField, ReferenceScope, UnresolvedReference};
use crate::route::Routes;
use crate::{Build, gateway};
use gatefold_dataplane::SocketKey;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::RefusalReason;
use gatefold_manifest::api::{NamespacedName, SecretFields};
use rustls::sign::CertifiedKey;
use std::collections::{BTreeMap, BTreeSet};
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

/// The certificates of a listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerCertificates {
    /// The certificates that can be served, in the order of the manifest.
    pub served: Vec<Arc<CertifiedKey>>,
    /// The Secrets that aren't in the folder and may have stand-ins, whether there are some yet or not. For a listener that
    /// names none, see [`MissingSecret`].
    pub missing: Vec<NamespacedName>,
}

/// Returns the certificates of a listener that listens on `sockets`. Problems with the others go to `problems`.
///
/// A ListenerSet needs its own ReferenceGrant: it doesn't inherit that of its Gateway (API: `ReferenceGrant`, `ListenerSet`).
pub(crate) fn certificates(
    at: ListenerAt<'_>,
    sockets: &[SocketKey],
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> ListenerCertificates {
    let tls = at.listener.tls.as_ref();
    let references = tls.map_or(&[][..], |tls| &tls.certificate_refs);
    let mut certificates = ListenerCertificates::default();
    if references.is_empty() {
        match unnamed_secret(at, build) {
            Some(missing) => {
                let finding = |code, message| at.finding(code, tls_pointer(at), message);
                let stand_in = stand_in(&missing, finding, sockets, build);
                certificates.add(missing, stand_in, problems);
            }
            None => problems.push(no_certificate(at, build)),
        }
    }
    if tls.is_some_and(|tls| !tls.options.is_empty()) {
        let pointer = at.pointer().key("tls").key("options");
        let message = "gatefold has no TLS options; these aren't used";
        let finding = at.finding(Code::UnsupportedField, pointer, message);
        build.diagnostics.push(finding);
    }
    let list = at.pointer().key("tls").key("certificateRefs");
    for (index, reference) in references.iter().enumerate() {
        let reference = CertificateReference {
            subject: at.owner,
            field: &CERTIFICATE_REFS,
            reference: reference.into(),
            pointer: list.index(index),
        };
        if let Some(missing) = missing_secret(&reference, build) {
            let finding = |code, message| reference.finding(code, message);
            let stand_in = stand_in(&missing, finding, sockets, build);
            certificates.add(missing, stand_in, problems);
        } else {
            let loaded = reference.load::<KeyPair>(problems, build);
            let certificate = loaded.map(|it| it.certified_key.clone());
            certificates.served.extend(certificate);
        }
    }
    certificates
}

impl ListenerCertificates {
    fn add(
        &mut self,
        missing: MissingSecret,
        stand_in: Result<Arc<CertifiedKey>, Problem>,
        problems: &mut Vec<Problem>,
    ) {
        self.missing.push(missing.key);
        match stand_in {
            Ok(certificate) => self.served.push(certificate),
            Err(problem) => problems.push(problem),
        }
    }
}

/// A Secret that may have a stand-in.
struct MissingSecret {
    /// Its name. For a listener that names no Secret, the namespace of its object, and the names of the object and the listener
    /// with a `/`, which no name of a Secret contains.
    key: NamespacedName,
    /// What is missing.
    message: String,
    /// The code of a diagnostic if it has no stand-in.
    code: Code,
}

/// Returns the Secret that a reference names, if it can't be read and may have a stand-in. One that has errors has none.
fn missing_secret(at: &CertificateReference<'_>, build: &Build<'_>) -> Option<MissingSecret> {
    build.environment.stand_ins.certificates.as_ref()?;
    let referrer = at.subject.referrer();
    let reason = match build.resolve::<SecretFields>(referrer, at.reference) {
        Err(UnresolvedReference::NotFound(_)) => "isn't in the folder",
        Err(UnresolvedReference::Refused(refused)) => match refused.reason {
            RefusalReason::Encrypted => "is encrypted with SOPS",
            RefusalReason::Errors => return None,
        },
        Ok(_) | Err(UnresolvedReference::UnsupportedKind | UnresolvedReference::NotPermitted) => {
            return None;
        }
    };
    let key = at.reference.key(referrer);
    Some(MissingSecret {
        message: format!("Secret {key} {reason}"),
        code: Code::CertificateNotFound,
        key,
    })
}

/// Returns what takes the place of the Secret of a listener that names none, if it may have a stand-in. Some clouds have
/// certificates that aren't Secrets; options or annotations name them.
fn unnamed_secret(at: ListenerAt<'_>, build: &Build<'_>) -> Option<MissingSecret> {
    build.environment.stand_ins.certificates.as_ref()?;
    let owner = at.owner.id();
    let name = format!("{}/{}", owner.name, at.listener.name);
    Some(MissingSecret {
        key: NamespacedName::new(owner.namespace, name),
        message: "`tls.certificateRefs` names no Secret".to_owned(),
        code: Code::InvalidListenerTls,
    })
}

/// Returns the stand-in for a Secret, or why there is none.
fn stand_in(
    missing: &MissingSecret,
    finding: impl Fn(Code, String) -> Diagnostic,
    sockets: &[SocketKey],
    build: &mut Build<'_>,
) -> Result<Arc<CertifiedKey>, Problem> {
    let stand_ins = build.environment.stand_ins.certificates.as_ref();
    let exposed = sockets
        .iter()
        .find(|socket| stand_ins.is_some_and(|it| !it.exposure.permits(socket.address.ip())));
    let what = &missing.message;
    let refusal = match (stand_ins.and_then(|it| it.pairs.get(&missing.key)), exposed) {
        (Some(pair), None) => {
            let message = format!("{what}; a certificate of the development CA stands in for it");
            build
                .diagnostics
                .push(finding(Code::CertificateStandIn, message));
            return Ok(pair.clone());
        }
        (_, Some(socket)) => format!(
            "{what}, and no development certificate is served on {}, which isn't a loopback address",
            socket.address
        ),
        (None, None) => format!("{what}, and no development certificate could be issued"),
    };
    let mut finding = finding(missing.code, refusal.clone());
    if exposed.is_some() {
        finding = finding.help(
            "use a loopback address (`--address 127.0.0.1`), or permit it with `--dev-certificates-allow-remote`",
        );
    }
    build.diagnostics.push(finding);
    Err(Problem::new(Reason::InvalidCertificateRef, refusal))
}

/// Returns the Secrets that the listeners of a graph need stand-ins for, with the names that clients use.
pub(crate) fn wanted_certificates(
    gateways: &GatewayNodes,
    routes: &Routes,
) -> BTreeMap<NamespacedName, BTreeSet<String>> {
    let mut wanted: BTreeMap<NamespacedName, BTreeSet<String>> = BTreeMap::new();
    let mut names_of: BTreeMap<ListenerId, &[NamespacedName]> = BTreeMap::new();
    for (id, listener) in gateway::listeners(gateways) {
        for secret in &listener.missing_secrets {
            let names = wanted.entry(secret.clone()).or_default();
            names.extend(listener.hostname.as_ref().map(ToString::to_string));
        }
        if !listener.missing_secrets.is_empty() {
            names_of.insert(id, &listener.missing_secrets);
        }
    }
    if wanted.is_empty() {
        return wanted;
    }
    let parents = routes.iter().flat_map(|route| route.parents());
    for attachment in parents.flat_map(|parent| &parent.attachments) {
        for secret in names_of
            .get(&attachment.listener)
            .into_iter()
            .copied()
            .flatten()
        {
            let names = wanted.entry(secret.clone()).or_default();
            names.extend(attachment.hostnames.iter().map(ToString::to_string));
        }
    }
    wanted
}

fn no_certificate(at: ListenerAt<'_>, build: &mut Build<'_>) -> Problem {
    let message = "an HTTPS listener needs a certificate in `tls.certificateRefs`";
    let finding = at.finding(Code::InvalidListenerTls, tls_pointer(at), message);
    build.diagnostics.push(finding.help(
        "add `tls: {certificateRefs: [{name: SECRET}]}` with a Secret of type kubernetes.io/tls",
    ));
    Problem::new(Reason::InvalidCertificateRef, message)
}

/// The place of the listener's `tls`, or of the listener.
fn tls_pointer(at: ListenerAt<'_>) -> Pointer {
    match at.listener.tls {
        Some(_) => at.pointer().key("tls"),
        None => at.pointer(),
    }
}
