//! Keeps certificates in force when the content of their Secret or ConfigMap becomes unusable.
//!
//! In: each referenced Secret and ConfigMap, and the certificates of the previous graph. Out: the certificates in force.
//! Nothing is kept for an object that was removed, isn't referenced, or may not be referenced, so that a certificate can be withdrawn
//! (docs/decisions/last-good-certificates.md).

use crate::Build;
use crate::certificate::ca_certificates::{self, CaCertificatesProblem};
use crate::certificate::tls_secret::{self, Certificate, CertificateProblem};
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
    authorities: BTreeMap<NamespacedName, Authorities>,
    /// Whether one of them differs from the current content of its object.
    pub is_used: bool,
}

/// The certificates of a bundle.
type Authorities = Arc<[CertificateDer<'static>]>;

/// The result of loading an object.
pub(crate) struct Loaded<T> {
    /// The object's content, or else its last good content. `None` if it has neither.
    pub in_force: Option<T>,
    /// Why the current content can't be used.
    pub problem: Option<Unusable>,
}

/// Why the content of an object can't be used.
pub(crate) struct Unusable {
    /// The problem.
    pub why: String,
    /// The entry of the Secret that contains the problem.
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

impl Build<'_> {
    /// Loads the certificate and the key of a Secret.
    pub(crate) fn load_pair(&mut self, secret: &Secret) -> Loaded<Arc<Certificate>> {
        let key = secret.key();
        let (good, problem) = split(tls_secret::load(secret).map(Arc::new));
        let last_good = || self.before.pairs.get(&key).cloned();
        let in_force = good.or_else(last_good);
        self.last_good
            .pairs
            .extend(in_force.clone().map(|it| (key, it)));
        let problem = problem.map(|problem: CertificateProblem| Unusable {
            why: problem.to_string(),
            entry: Some(problem.entry()),
            note: in_force.as_ref().map(|kept| {
                let chain = kept.certified_key.cert.get(..1).unwrap_or_default();
                let kept = tls_secret::in_words(chain);
                format!("the last good certificate stays in force ({kept})")
            }),
        });
        self.last_good.is_used |= problem.is_some() && in_force.is_some();
        Loaded { in_force, problem }
    }

    /// Loads the CA certificates of a ConfigMap. One that was emptied has none, not even last good ones.
    pub(crate) fn load_authorities(&mut self, config_map: &ConfigMap) -> Loaded<Authorities> {
        let key = config_map.key();
        let (good, problem) = split(ca_certificates::load(config_map).map(Arc::from));
        let withdrawn = problem.as_ref().is_some_and(|it| it.is_withdrawal());
        let last_good = || self.before.authorities.get(&key).filter(|_| !withdrawn);
        let in_force = good.or_else(|| last_good().cloned());
        let kept = in_force.clone().map(|it| (key, it));
        self.last_good.authorities.extend(kept);
        let problem = problem.map(|problem: CaCertificatesProblem| Unusable {
            why: problem.to_string(),
            entry: None,
            note: in_force.as_ref().map(|kept| {
                let kept = tls_secret::in_words(kept);
                format!("the last good CA certificates stay in force ({kept})")
            }),
        });
        self.last_good.is_used |= problem.is_some() && in_force.is_some();
        Loaded { in_force, problem }
    }
}

fn split<T, E>(result: Result<T, E>) -> (Option<T>, Option<E>) {
    match result {
        Ok(good) => (Some(good), None),
        Err(problem) => (None, Some(problem)),
    }
}

#[cfg(test)]
mod tests;
