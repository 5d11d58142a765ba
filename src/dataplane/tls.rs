use super::hostname::HostMap;
use rustls::SignatureScheme;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificates of a listener: one for each kind of key that a client may ask for.
#[derive(Debug)]
pub struct CertificateSet {
    /// In the order of the manifest; never empty.
    pub keys: Vec<Arc<CertifiedKey>>,
}

impl CertificateSet {
    /// The first certificate with a key that the client can check. A client that can check none gets
    /// nothing, and the handshake fails with the alert for it.
    pub fn pick(&self, offered: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        self.keys
            .iter()
            .find(|certified| certified.key.choose_scheme(offered).is_some())
    }
}

/// The certificates for a server name: the most specific listener's, as for a request (Gateway API,
/// `Listener.hostname`). A name that no listener serves gets none, as Envoy does it.
///
/// A client that sends no name, since it was given an address, gets those of the listener without a
/// hostname; else, when all listeners of the port have but one set, that one. With several there is no telling
/// which site it means, and one's certificate says nothing about another's.
pub fn find<'c>(
    certificates: &'c HostMap<Arc<CertificateSet>>,
    server_name: Option<&str>,
) -> Option<&'c CertificateSet> {
    match server_name {
        Some(name) => certificates.find(name.strip_suffix('.').unwrap_or(name)),
        // No hostname is empty: only the listener for any name is found.
        None => certificates.find("").or_else(|| only(certificates)),
    }
    .map(|set| &**set)
}

fn only(certificates: &HostMap<Arc<CertificateSet>>) -> Option<&Arc<CertificateSet>> {
    let mut sets = certificates.values();
    let first = sets.next()?;
    sets.all(|other| Arc::ptr_eq(first, other) || same_keys(first, other))
        .then_some(first)
}

fn same_keys(one: &CertificateSet, other: &CertificateSet) -> bool {
    one.keys.len() == other.keys.len()
        && std::iter::zip(&one.keys, &other.keys).all(|(one, other)| one.cert == other.cert)
}
