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
mod revocation_lists;
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
use gatefold_manifest::api::{ConfigMapFields, NamespacedName, Object, Secret, SecretFields};
use last_good::{AuthorityFields, CaBundle, LoadedCertificate, Unusable};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use std::marker::PhantomData;
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

/// What is read from an object of a kind.
trait CertificateContent {
    /// The fields of the objects.
    type Fields: EntryFields;
    /// The content.
    type Content;

    /// Reads the content of an object, or else returns its last good content.
    fn load(
        object: &Arc<Object<Self::Fields>>,
        build: &mut Build<'_>,
    ) -> LoadedCertificate<Self::Content>;

    /// Warnings about content that is in force.
    fn warnings(content: &Self::Content, now: Option<OffsetDateTime>) -> Vec<(Code, String)>;
}

/// The fields of a kind whose objects have entries.
trait EntryFields: Spec<Key = NamespacedName> {
    /// The place of an entry in the object.
    fn pointer(&self, entry: &'static str) -> Pointer;
}

/// The certificate and the key in a Secret.
struct KeyPair;

/// The CA certificates in an object of a kind.
struct Authorities<F>(PhantomData<F>);

/// The lists of revoked certificates in an object of a kind.
struct RevocationLists<F>(PhantomData<F>);

impl CertificateReference<'_> {
    /// Reads the object that the reference names. Returns its content, or its last good content. Problems go to `problems`
    /// and to the diagnostics.
    fn load<C: CertificateContent>(
        &self,
        problems: &mut Vec<Problem>,
        build: &mut Build<'_>,
    ) -> Option<C::Content> {
        let object = self.resolve::<C::Fields>(problems, build)?;
        let LoadedCertificate { in_force, problem } = C::load(object, build);
        if let Some(unusable) = problem {
            self.report_unusable(object, unusable, problems, build);
        }
        let content = in_force?;
        let (kind, key) = (C::Fields::KIND.name(), object.key());
        for (code, warning) in C::warnings(&content, build.environment.now) {
            let finding = self.finding(code, format!("{kind} {key}: {warning}"));
            let finding = finding.label(object.place(name_pointer()), format!("the {kind}"));
            build.diagnostics.push(finding);
        }
        Some(content)
    }

    fn resolve<'a, S: EntryFields>(
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

    fn report_unusable<S: EntryFields>(
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

impl EntryFields for SecretFields {
    fn pointer(&self, entry: &'static str) -> Pointer {
        let map = if self.string_data.contains_key(entry) {
            "stringData"
        } else {
            "data"
        };
        Pointer::root().key(map).key(entry)
    }
}

impl EntryFields for ConfigMapFields {
    fn pointer(&self, entry: &'static str) -> Pointer {
        Pointer::root().key("data").key(entry)
    }
}

impl CertificateContent for KeyPair {
    type Fields = SecretFields;
    type Content = Arc<Certificate>;

    fn load(secret: &Arc<Secret>, build: &mut Build<'_>) -> LoadedCertificate<Self::Content> {
        build.load_pair(secret)
    }

    fn warnings(content: &Self::Content, now: Option<OffsetDateTime>) -> Vec<(Code, String)> {
        let warnings = content.warnings(now).into_iter();
        warnings.map(|it| (it.code(), it.to_string())).collect()
    }
}

impl<F: AuthorityFields> CertificateContent for Authorities<F> {
    type Fields = F;
    type Content = CaBundle;

    fn load(object: &Arc<Object<F>>, build: &mut Build<'_>) -> LoadedCertificate<CaBundle> {
        build.load_authorities(object)
    }

    fn warnings(content: &CaBundle, _: Option<OffsetDateTime>) -> Vec<(Code, String)> {
        let warnings = ca_certificates::warnings(content).into_iter();
        warnings
            .map(|it| (Code::UnverifiableAuthority, it))
            .collect()
    }
}

impl<F: AuthorityFields> CertificateContent for RevocationLists<F> {
    type Fields = F;
    type Content = revocation_lists::RevocationBundle;

    /// Nothing else is in force instead of a list that can't be read: it may revoke what an older one doesn't.
    fn load(object: &Arc<Object<F>>, _: &mut Build<'_>) -> LoadedCertificate<Self::Content> {
        let text = F::entry(object, revocation_lists::ENTRY);
        let loaded = revocation_lists::load(text.as_deref());
        LoadedCertificate::without_last_good(loaded.map_err(|why| Unusable {
            entry: text.map(|_| revocation_lists::ENTRY),
            why,
            note: None,
        }))
    }

    fn warnings(content: &Self::Content, now: Option<OffsetDateTime>) -> Vec<(Code, String)> {
        let warnings = revocation_lists::warnings(content, now).into_iter();
        warnings
            .map(|it| (Code::RevocationListExpired, it))
            .collect()
    }
}

/// Reads the bundles that `references` name. Returns their certificates, which may be none.
pub(crate) fn authorities<'r>(
    references: impl Iterator<Item = CertificateReference<'r>>,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<CertificateDer<'static>> {
    let bundles =
        references.filter_map(|it| it.load::<Authorities<ConfigMapFields>>(problems, build));
    bundles.flat_map(|bundle| bundle.to_vec()).collect()
}

/// Reads the bundle of a reference to a ConfigMap or a Secret.
pub(crate) fn authorities_of_any(
    reference: &CertificateReference<'_>,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<CertificateDer<'static>> {
    let bundle = if reference.reference.names(SecretFields::KIND) {
        reference.load::<Authorities<SecretFields>>(problems, build)
    } else {
        reference.load::<Authorities<ConfigMapFields>>(problems, build)
    };
    bundle.map(|it| it.to_vec()).unwrap_or_default()
}

/// Reads the lists of revoked certificates of a reference to a ConfigMap or a Secret.
pub(crate) fn revocation_lists(
    reference: &CertificateReference<'_>,
    problems: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<CertificateRevocationListDer<'static>> {
    let lists = if reference.reference.names(SecretFields::KIND) {
        reference.load::<RevocationLists<SecretFields>>(problems, build)
    } else {
        reference.load::<RevocationLists<ConfigMapFields>>(problems, build)
    };
    lists.unwrap_or_default()
}
