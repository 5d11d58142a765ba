//! Keeps certificates in force when the content of their Secret or ConfigMap becomes unusable.
//!
//! In: each referenced Secret and ConfigMap, and the certificates of the previous graph. Out: the certificates in force.
//! Nothing is kept for an object that was removed, isn't referenced, or may not be referenced, so that a certificate can be withdrawn
//! (docs/decisions/last-good-certificates.md).

use super::ca_certificates;
use super::tls_secret::{self, Certificate};
use crate::Build;
use gatefold_manifest::api::{ConfigMap, Secret};
use rustls_pki_types::CertificateDer;
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

    /// Whether the last good content is in force.
    pub(super) fn keeps_last_good(&self) -> bool {
        self.problem.is_some() && self.in_force.is_some()
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

    /// Loads the CA certificates of a ConfigMap. One that was emptied has none, not even last good ones.
    pub(super) fn load_authorities(
        &mut self,
        config_map: &Arc<ConfigMap>,
    ) -> LoadedCertificate<CaBundle> {
        let before = &self.certificates_before.authorities;
        let authorities = &mut self.certificates.authorities;
        authorities.load(before, config_map.key(), config_map, |last_good| {
            parse_authorities(config_map, last_good)
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
    config_map: &ConfigMap,
    mut last_good: Option<CaBundle>,
) -> LoadedCertificate<CaBundle> {
    let current = ca_certificates::load(config_map).map(Arc::from);
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
