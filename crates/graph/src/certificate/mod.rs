//! Certificates, private keys and CA certificates, read from Secrets and ConfigMaps.
//!
//! In: references of Gateways, ListenerSets and BackendTLSPolicies. Out: what the proxy serves, shows to backends or trusts.
//! If the content of an object becomes unusable, its last good content stays in force. Problems with references and with
//! contents are reported here, in the same way for every field.

mod ca_certificates;
pub(crate) mod client_certificate;
pub mod client_validation;
mod key_kind;
mod last_good;
pub(crate) mod listener_tls;
mod loaded;
mod pem;
mod tls_secret;

pub(crate) use listener_tls::wanted_certificates;
pub(crate) use loaded::LoadedCertificates;
pub use tls_secret::Certificate;

use crate::condition::Problem;
use crate::reference::{Reference, ReferenceField};
use crate::reported_object::ReportedObject;
use crate::{Build, name_pointer};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::Spec;
use gatefold_manifest::api::{ConfigMapFields, NamespacedName, Object, SecretFields};
use last_good::{CaBundle, LoadedCertificate, Unusable};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use time::OffsetDateTime;

/// A reference to an object with certificates, and its place.
pub(crate) struct CertificateReference<'r> {
    /// The object that contains the reference.
    pub subject: &'r dyn ReportedObject,
    /// The field, with the reasons that it has in conditions.
    pub field: &'r ReferenceField,
    /// The reference.
    pub reference: Reference<'r>,
    /// Its place in the object.
    pub pointer: Pointer,
}

/// The fields of a kind of objects that contain certificates.
trait CertificateFields: Spec<Key = NamespacedName> {
    /// The content that is read from an object.
    type Content;

    /// Reads the content of an object, or else returns its last good content.
    fn load(object: &Arc<Object<Self>>, build: &mut Build<'_>) -> LoadedCertificate<Self::Content>;

    /// The place of an entry in the object.
    fn pointer(&self, entry: &'static str) -> Pointer;

    /// Warnings about content that is in force.
    fn warnings(content: &Self::Content, now: Option<OffsetDateTime>) -> Vec<(Code, String)>;
}

impl CertificateReference<'_> {
    /// Reads the object that the reference names. Returns its content, or its last good content. Problems go to `problems`
    /// and to the diagnostics.
    fn load<S: CertificateFields>(
        &self,
        problems: &mut Vec<Problem>,
        build: &mut Build<'_>,
    ) -> Option<S::Content> {
        let object = self.resolve::<S>(problems, build)?;
        let LoadedCertificate { in_force, problem } = S::load(object, build);
        if let Some(unusable) = problem {
            self.report_unusable(object, unusable, problems, build);
        }
        let content = in_force?;
        let (kind, key) = (S::KIND.name(), object.key());
        for (code, warning) in S::warnings(&content, build.environment.now) {
            let finding = self.finding(code, format!("{kind} {key}: {warning}"));
            let finding = finding.label(object.place(name_pointer()), format!("the {kind}"));
            build.diagnostics.push(finding);
        }
        Some(content)
    }

    fn resolve<'a, S: CertificateFields>(
        &self,
        problems: &mut Vec<Problem>,
        build: &mut Build<'a>,
    ) -> Option<&'a Arc<Object<S>>> {
        match build.resolve::<S>(self.subject.referrer(), self.reference) {
            Ok(object) => Some(object),
            Err(unresolved) => {
                let pointer = self.pointer.clone();
                let (problem, finding) =
                    unresolved.report(self.field, self.subject, self.reference, pointer);
                problems.push(problem);
                build.diagnostics.push(finding);
                None
            }
        }
    }

    fn report_unusable<S: CertificateFields>(
        &self,
        object: &Object<S>,
        unusable: Unusable,
        problems: &mut Vec<Problem>,
        build: &mut Build<'_>,
    ) {
        let (kind, key) = (S::KIND.name(), object.key());
        let message = format!("{kind} {key} can't be used: {}", unusable.why);
        let (_, reason) = self.field.not_found;
        problems.push(Problem::new(reason, unusable.message(&message)));
        let (pointer, label) = match unusable.entry {
            Some(entry) => (object.spec.pointer(entry), format!("`{entry}` is here")),
            None => (name_pointer(), format!("the {kind}")),
        };
        let finding = self.finding(Code::InvalidCertificate, message);
        let mut finding = finding.label(object.place(pointer), label);
        finding.notes.extend(unusable.note);
        build.diagnostics.push(finding);
    }

    /// Returns a diagnostic at the reference.
    pub(crate) fn finding(&self, code: Code, message: String) -> Diagnostic {
        self.subject.finding(code, self.pointer.clone(), message)
    }
}

impl CertificateFields for SecretFields {
    type Content = Arc<Certificate>;

    fn load(object: &Arc<Object<Self>>, build: &mut Build<'_>) -> LoadedCertificate<Self::Content> {
        build.load_pair(object)
    }

    fn pointer(&self, entry: &'static str) -> Pointer {
        let map = if self.string_data.contains_key(entry) {
            "stringData"
        } else {
            "data"
        };
        Pointer::root().key(map).key(entry)
    }

    fn warnings(content: &Self::Content, now: Option<OffsetDateTime>) -> Vec<(Code, String)> {
        let warnings = content.warnings(now).into_iter();
        warnings.map(|it| (it.code(), it.to_string())).collect()
    }
}

impl CertificateFields for ConfigMapFields {
    type Content = CaBundle;

    fn load(object: &Arc<Object<Self>>, build: &mut Build<'_>) -> LoadedCertificate<Self::Content> {
        build.load_authorities(object)
    }

    fn pointer(&self, entry: &'static str) -> Pointer {
        Pointer::root().key("data").key(entry)
    }

    fn warnings(content: &Self::Content, _: Option<OffsetDateTime>) -> Vec<(Code, String)> {
        let warnings = ca_certificates::warnings(content).into_iter();
        warnings
            .map(|it| (Code::UnverifiableAuthority, it))
            .collect()
    }
}

/// Reads the bundles that `references` name. Returns their certificates, which may be none.
pub(crate) fn authorities<'r>(
    references: impl Iterator<Item = CertificateReference<'r>>,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<CertificateDer<'static>> {
    let bundles = references.filter_map(|it| it.load::<ConfigMapFields>(problems, build));
    bundles.flat_map(|bundle| bundle.to_vec()).collect()
}
