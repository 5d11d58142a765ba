//! Limits the algorithms by which the keys of certificates sign.

use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::sync::Arc;

/// Returns the certificates with keys that sign only by these algorithms.
pub(super) fn limit(
    keys: Vec<Arc<CertifiedKey>>,
    schemes: &[SignatureScheme],
) -> Vec<Arc<CertifiedKey>> {
    let schemes: Arc<[SignatureScheme]> = schemes.into();
    let limited = keys.into_iter().map(|certified| {
        let key = LimitedKey {
            key: certified.key.clone(),
            schemes: schemes.clone(),
        };
        let mut limited = CertifiedKey::new(certified.cert.clone(), Arc::new(key));
        limited.ocsp.clone_from(&certified.ocsp);
        Arc::new(limited)
    });
    limited.collect()
}

/// A key that signs only by some algorithms.
#[derive(Debug)]
struct LimitedKey {
    key: Arc<dyn SigningKey>,
    schemes: Arc<[SignatureScheme]>,
}

impl SigningKey for LimitedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let offered = offered.iter().copied();
        let common: Vec<_> = offered.filter(|it| self.schemes.contains(it)).collect();
        self.key.choose_scheme(&common)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}
