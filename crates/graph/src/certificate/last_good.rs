//! Keeps certificates in force when the content of their Secret or ConfigMap becomes unusable.
//!
//! In: each referenced Secret and ConfigMap, and the certificates of the previous graph. Out: the certificates in force.
//! Nothing is kept for an object that was removed, isn't referenced, or may not be referenced, so that a certificate can be withdrawn
//! (docs/decisions/last-good-certificates.md).

use super::loaded::{LoadedCertificates, LoadedObjects};
use super::tls_secret::{self, Certificate};
use super::{EntryFields, ca_certificates};
use crate::Build;
use crate::policy::credentials;
use gatefold_manifest::api::{ConfigMap, ConfigMapFields, Object, Secret, SecretFields};
use rustls_pki_types::CertificateDer;
use std::borrow::Cow;
use std::sync::Arc;

/// The CA certificates of a bundle.
pub(super) type CaBundle = Arc<[CertificateDer<'static>]>;

/// The result of loading an object.
#[derive(Clone, Debug)]
pub(super) struct LoadedCertificate<T> {
    /// The object's content, or else its last good content. `None` if it has neither.
    pub in_force: Option<T>,
    /// Why the current content can't be used.
    pub problem: Option<Unusable>,
}

/// Why the content of an object can't be used.
#[derive(Clone, Debug)]
pub(super) struct Unusable {
    /// The problem.
    pub why: String,
    /// The entry of the object that contains the problem.
    pub entry: Option<&'static str>,
    /// The certificates that stay in force instead.
    pub note: Option<String>,
}

impl Unusable {
    /// Returns the message for a condition: the given one, and the certificates that stay in force.
    pub fn message(&self, message: &str) -> String {
        match &self.note {
            Some(note) => format!("{message}; {note}"),
            None => message.to_owned(),
        }
    }
}

impl<T> LoadedCertificate<T> {
    /// Chooses between the current content and the last good one. `note` names the content that stays in force.
    fn choose(
        current: Result<T, Unusable>,
        last_good: Option<T>,
        note: impl FnOnce(&T) -> String,
    ) -> Self {
        match current {
            Ok(content) => LoadedCertificate {
                in_force: Some(content),
                problem: None,
            },
            Err(unusable) => LoadedCertificate {
                problem: Some(Unusable {
                    note: last_good.as_ref().map(note),
                    ..unusable
                }),
                in_force: last_good,
            },
        }
    }

    /// Returns the current content, of which nothing is kept.
    pub(super) fn without_last_good(current: Result<T, Unusable>) -> Self {
        LoadedCertificate::choose(current, None, |_| String::new())
    }

    /// Whether the last good content is in force.
    pub(super) fn keeps_last_good(&self) -> bool {
        self.problem.is_some() && self.in_force.is_some()
    }
}

/// The fields of a kind whose objects may contain CA certificates.
pub(super) trait AuthorityFields: EntryFields {
    /// Returns an entry. `None` if there is none.
    fn entry<'o>(object: &'o Object<Self>, name: &str) -> Option<Cow<'o, [u8]>>;

    /// What was loaded from objects of the kind.
    fn loaded(all: &LoadedCertificates) -> &LoadedObjects<Object<Self>, CaBundle>;

    /// The same, to add to it.
    fn loaded_mut(all: &mut LoadedCertificates) -> &mut LoadedObjects<Object<Self>, CaBundle>;
}

impl AuthorityFields for ConfigMapFields {
    fn entry<'o>(config_map: &'o ConfigMap, name: &str) -> Option<Cow<'o, [u8]>> {
        let text = config_map.spec.data.get(name)?;
        Some(text.as_bytes().into())
    }

    fn loaded(all: &LoadedCertificates) -> &LoadedObjects<ConfigMap, CaBundle> {
        &all.authorities
    }

    fn loaded_mut(all: &mut LoadedCertificates) -> &mut LoadedObjects<ConfigMap, CaBundle> {
        &mut all.authorities
    }
}

impl AuthorityFields for SecretFields {
    fn entry<'o>(secret: &'o Secret, name: &str) -> Option<Cow<'o, [u8]>> {
        credentials::entry(secret, name).map(Cow::Owned)
    }

    fn loaded(all: &LoadedCertificates) -> &LoadedObjects<Secret, CaBundle> {
        &all.secret_authorities
    }

    fn loaded_mut(all: &mut LoadedCertificates) -> &mut LoadedObjects<Secret, CaBundle> {
        &mut all.secret_authorities
    }
}

impl Build<'_> {
    /// Loads the certificate and the key of a Secret.
    pub(super) fn load_pair(
        &mut self,
        secret: &Arc<Secret>,
    ) -> LoadedCertificate<Arc<Certificate>> {
        let before = &self.certificates_before.pairs;
        let pairs = &mut self.certificates.pairs;
        pairs.load(before, secret.key(), secret, |last_good| {
            parse_pair(secret, last_good)
        })
    }

    /// Loads the CA certificates of an object. One that was emptied has none, not even last good ones.
    pub(super) fn load_authorities<F: AuthorityFields>(
        &mut self,
        object: &Arc<Object<F>>,
    ) -> LoadedCertificate<CaBundle> {
        let before = F::loaded(self.certificates_before);
        let authorities = F::loaded_mut(&mut self.certificates);
        authorities.load(before, object.key(), object, |last_good| {
            let text = F::entry(object, ca_certificates::CA_ENTRY);
            parse_authorities(text.as_deref(), last_good)
        })
    }
}

fn parse_pair(
    secret: &Secret,
    last_good: Option<Arc<Certificate>>,
) -> LoadedCertificate<Arc<Certificate>> {
    let current = tls_secret::load(secret).map(Arc::new);
    let current = current.map_err(|problem| Unusable {
        why: problem.to_string(),
        entry: problem.entry(),
        note: None,
    });
    LoadedCertificate::choose(current, last_good, |kept| {
        let leaf = kept.certified_key.cert.get(..1).unwrap_or_default();
        let kept = tls_secret::in_words(leaf);
        format!("the last good certificate stays in force ({kept})")
    })
}

fn parse_authorities(
    text: Option<&[u8]>,
    mut last_good: Option<CaBundle>,
) -> LoadedCertificate<CaBundle> {
    let current = ca_certificates::load(text).map(Arc::from);
    let current = current.map_err(|problem| {
        last_good = last_good.take().filter(|_| !problem.is_withdrawal());
        Unusable {
            why: problem.to_string(),
            entry: problem.entry(),
            note: None,
        }
    });
    LoadedCertificate::choose(current, last_good, |kept| {
        let kept = tls_secret::in_words(kept);
        format!("the last good CA certificates stay in force ({kept})")
    })
}

#[cfg(test)]
mod tests;
