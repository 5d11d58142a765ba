//! TLS settings in Pingora's types, converted once.
//!
//! In: the settings of a snapshot. Out: what Pingora needs for them, and what is known of the certificates of their
//! endpoints. Both live as long as some snapshot has the settings. Lookups don't lock.

use arc_swap::ArcSwap;
use gatefold_dataplane::backend_tls::{BackendTls, ClientIdentity};
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The number of fingerprints kept per policy: more than the certificates that a Service's endpoints use at a time.
const MOST_FINGERPRINTS: usize = 128;

/// The converted settings by id.
#[derive(Debug, Default)]
pub(crate) struct TlsCache {
    entries: ArcSwap<HashMap<u64, CachedTls>>,
}

#[derive(Clone, Debug)]
struct CachedTls {
    settings: Weak<BackendTls>,
    prepared: Arc<PreparedTls>,
}

impl TlsCache {
    /// Returns settings in Pingora's types.
    pub(crate) fn prepare(&self, tls: &Arc<BackendTls>) -> Arc<PreparedTls> {
        if let Some(cached) = self.entries.load().get(&tls.id) {
            return cached.prepared.clone();
        }
        let added = CachedTls {
            settings: Arc::downgrade(tls),
            prepared: Arc::new(PreparedTls::new(tls)),
        };
        self.entries.rcu(|entries| {
            let mut next = HashMap::clone(entries);
            next.retain(|_, cached| cached.settings.strong_count() > 0);
            next.entry(tls.id).or_insert_with(|| added.clone());
            next
        });
        added.prepared
    }
}

/// TLS settings in Pingora's types.
pub(crate) struct PreparedTls {
    pub(crate) authorities: Arc<[WrappedX509]>,
    pub(crate) identity: Option<Arc<CertKey>>,
    /// Fingerprints of certificates that have one of the policy's names.
    fingerprints: ArcSwap<Vec<Vec<u8>>>,
}

impl fmt::Debug for PreparedTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedTls").finish_non_exhaustive()
    }
}

impl PreparedTls {
    fn new(tls: &BackendTls) -> Self {
        let authorities = tls.handshake.authorities.certificates().iter();
        let identity = tls.handshake.identity.as_deref();
        PreparedTls {
            authorities: authorities.filter_map(|it| wrapped(it)).collect(),
            identity: identity.and_then(cert_key).map(Arc::new),
            fingerprints: ArcSwap::default(),
        }
    }

    /// Whether a certificate with this fingerprint has one of the policy's names.
    pub(crate) fn knows(&self, fingerprint: &[u8]) -> bool {
        let known = self.fingerprints.load();
        known.iter().any(|known| known == fingerprint)
    }

    /// Remembers the fingerprint of a certificate that has one of the policy's names.
    pub(crate) fn remember(&self, fingerprint: &[u8]) {
        self.fingerprints.rcu(|known| {
            let mut next = Vec::clone(known);
            if next.len() >= MOST_FINGERPRINTS {
                next.clear();
            }
            next.push(fingerprint.to_vec());
            next
        });
    }
}

/// Converts a certificate. Pingora panics at certificates that its parser can't read.
fn wrapped(der: &[u8]) -> Option<WrappedX509> {
    X509Certificate::from_der(der).ok()?;
    Some(WrappedX509::new(der.to_vec(), parse_x509))
}

fn cert_key(identity: &ClientIdentity) -> Option<CertKey> {
    let chain = &identity.certified_key.cert;
    let readable = chain.iter().all(|it| X509Certificate::from_der(it).is_ok());
    let chain: Vec<Vec<u8>> = chain.iter().map(|it| it.to_vec()).collect();
    (readable && !chain.is_empty()).then(|| CertKey::new(chain, identity.key.secret_der().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::tls_upstream::{TestAuthority, tls};

    #[test]
    fn entry_is_shared_while_its_settings_exist_and_dropped_afterwards() {
        let cache = TlsCache::default();
        let authority = TestAuthority::new();
        let first = tls(&authority, &[], None);
        let prepared = cache.prepare(&first);
        assert!(Arc::ptr_eq(&prepared, &cache.prepare(&first)));
        let second = tls(&authority, &[], None);
        assert!(!Arc::ptr_eq(&prepared, &cache.prepare(&second)));
        drop(first);
        cache.prepare(&tls(&authority, &[], None));
        assert_eq!(cache.entries.load().len(), 2, "the first entry is kept");
    }
}
