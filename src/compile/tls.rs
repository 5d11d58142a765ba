use crate::dataplane::tls::CertificateSet;
use crate::graph::gateway::ListenerNode;
use std::sync::Arc;

/// The certificates of a listener; nothing when it has none.
pub(super) fn certificates(listener: &ListenerNode) -> Option<Arc<CertificateSet>> {
    let keys = listener.certificates.clone();
    (!keys.is_empty()).then(|| Arc::new(CertificateSet { keys }))
}
