//! Keeps certificates in force when the content of their Secret or ConfigMap becomes unusable.
//!
//! In: each referenced Secret and ConfigMap, and the certificates of the previous graph. Out: the certificates in force.
//! Nothing is kept for an object that was removed, isn't referenced, or may not be referenced, so that a certificate can be withdrawn
//! (docs/decisions/last-good-certificates.md).

use super::ca_certificates;
use super::tls_secret::{self, Certificate};
use crate::Build;
use gatefold_manifest::api::{ConfigMap, NamespacedName, Secret};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The certificates of a graph, by the objects they come from. The next graph keeps a certificate if its object has become
/// unusable.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastGood {
    /// By Secret.
    pairs: BTreeMap<NamespacedName, Arc<Certificate>>,
    /// By ConfigMap.
    authorities: BTreeMap<NamespacedName, CaBundle>,
    /// Whether one of them differs from the current content of its object.
    pub is_used: bool,
}

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

    fn keeps_last_good(&self) -> bool {
        self.problem.is_some() && self.in_force.is_some()
    }
}

impl Build<'_> {
    /// Loads the certificate and the key of a Secret.
    pub(super) fn load_pair(
        &mut self,
        secret: &Arc<Secret>,
    ) -> LoadedCertificate<Arc<Certificate>> {
        let key = secret.key();
        let parsed = self
            .parsed
            .pairs
            .find(&self.parsed_before.pairs, &key, secret);
        let loaded = parsed.unwrap_or_else(|| self.parse_pair(secret, &key));
        self.parsed.pairs.add(&key, secret, &loaded);
        self.last_good.is_used |= loaded.keeps_last_good();
        let in_force = loaded.in_force.clone().map(|it| (key, it));
        self.last_good.pairs.extend(in_force);
        loaded
    }

    fn parse_pair(
        &self,
        secret: &Secret,
        key: &NamespacedName,
    ) -> LoadedCertificate<Arc<Certificate>> {
        let current = tls_secret::load(secret).map(Arc::new);
        let current = current.map_err(|problem| Unusable {
            why: problem.to_string(),
            entry: problem.entry(),
            note: None,
        });
        let last_good = self.before.pairs.get(key).cloned();
        LoadedCertificate::choose(current, last_good, |kept| {
            let leaf = kept.certified_key.cert.get(..1).unwrap_or_default();
            let kept = tls_secret::in_words(leaf);
            format!("the last good certificate stays in force ({kept})")
        })
    }

    /// Loads the CA certificates of a ConfigMap. One that was emptied has none, not even last good ones.
    pub(super) fn load_authorities(
        &mut self,
        config_map: &Arc<ConfigMap>,
    ) -> LoadedCertificate<CaBundle> {
        let key = config_map.key();
        let before = &self.parsed_before.authorities;
        let parsed = self.parsed.authorities.find(before, &key, config_map);
        let loaded = parsed.unwrap_or_else(|| self.parse_authorities(config_map, &key));
        self.parsed.authorities.add(&key, config_map, &loaded);
        self.last_good.is_used |= loaded.keeps_last_good();
        let in_force = loaded.in_force.clone().map(|it| (key, it));
        self.last_good.authorities.extend(in_force);
        loaded
    }

    fn parse_authorities(
        &self,
        config_map: &ConfigMap,
        key: &NamespacedName,
    ) -> LoadedCertificate<CaBundle> {
        let mut last_good = self.before.authorities.get(key).cloned();
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
}

#[cfg(test)]
mod tests;
