use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificates of a listener: one for each kind of key that a client may ask for.
#[derive(Debug)]
pub struct CertificateSet {
    /// In the order of the manifest; never empty.
    pub keys: Vec<Arc<CertifiedKey>>,
}
