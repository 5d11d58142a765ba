//! Stand-ins for certificates that the folder lacks (`--dev-certificates`).
//!
//! In: the Secrets and the echo backends that a graph wants certificates for. Out: certificates of the development CA. A failure is
//! logged, and the graph reports what has no certificate.

use crate::development_ca::{ANY_LABEL, DevelopmentCa};
use gatefold_graph::Graph;
use gatefold_graph::stand_in::{Exposure, StandInCertificates};
use gatefold_manifest::api::NamespacedName;
use rustls::sign::CertifiedKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tracing::error;

/// Certificates by the Secret that they replace.
pub(super) type StandInPairs = Arc<BTreeMap<NamespacedName, Arc<CertifiedKey>>>;

/// Where stand-ins for certificates come from.
#[derive(Debug)]
pub struct CertificateSource {
    /// The CA that issues them.
    pub authority: DevelopmentCa,
    /// Where they may be served.
    pub exposure: Exposure,
}

impl CertificateSource {
    /// Returns the stand-ins that a graph can use.
    pub(super) fn stand_ins(&self, pairs: StandInPairs) -> StandInCertificates {
        StandInCertificates {
            authority: self.authority.certificate().clone(),
            pairs,
            exposure: self.exposure,
        }
    }

    /// Issues the certificates that a graph wants, those of echo backends as well. If the CA can't be changed, they have only the names
    /// that it permits already.
    pub(crate) fn issue(&mut self, graph: &Graph) -> StandInPairs {
        let echo = graph.wanted.values().filter_map(|it| it.tls.as_deref());
        let echo: Vec<BTreeSet<String>> = echo.map(|it| it.iter().cloned().collect()).collect();
        let secrets = graph.wanted_certificates.iter().map(|(secret, names)| {
            let names = names.iter().map(|name| accepted_name(name));
            (secret, names.collect::<BTreeSet<String>>())
        });
        let secrets: BTreeMap<&NamespacedName, BTreeSet<String>> = secrets.collect();
        if let Err(error) = self.authority.prepare(secrets.values().chain(&echo)) {
            error!(error = %format_args!("{error:#}"), "can't store the development CA, so it issues no certificate for new names");
        }
        let issued = secrets.iter().filter_map(|(secret, names)| {
            let covered = self.authority.covered(names)?;
            let issued = self.authority.issue(&covered);
            let issued = issued.inspect_err(|error| {
                error!(%secret, error = %format_args!("{error:#}"), "can't issue a development certificate");
            });
            Some(((*secret).clone(), issued.ok()?))
        });
        Arc::new(issued.collect())
    }

    /// Returns the certificate of an echo backend, which has these names.
    pub(super) fn for_echo(&mut self, names: &[String]) -> Option<Arc<CertifiedKey>> {
        let names = names.iter().cloned().collect();
        let certificate = self.authority.issue(&names);
        let certificate = certificate.inspect_err(|error| {
            error!(error = %format_args!("{error:#}"), "can't issue a certificate for an echo backend");
        });
        certificate.ok()
    }
}

/// Returns the name in a certificate for a hostname. Clients accept no certificate for all names below a top-level domain, and the CA
/// must not permit all of them, so `*.lan` becomes a single host.
fn accepted_name(hostname: &str) -> String {
    match hostname.strip_prefix("*.") {
        Some(domain) if !domain.contains('.') => format!("{ANY_LABEL}.{domain}"),
        _ => hostname.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_dir::StateDir;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_ca_permits_no_whole_top_level_domain() {
        let mut source = CertificateSource {
            authority: DevelopmentCa::in_memory().expect("a CA"),
            exposure: Exposure::Loopback,
        };
        let mut graph = Graph::default();
        let names = ["*.lan", "*.home.lan"].map(str::to_owned).into();
        let secret = NamespacedName::new("default", "pair");
        graph.wanted_certificates.insert(secret.clone(), names);
        assert!(source.issue(&graph).contains_key(&secret));
        let hosts = ["any.lan", "other.lan", "any.home.lan"].map(str::to_owned);
        let covered = source.authority.covered(&hosts.into()).expect("some");
        assert_eq!(Vec::from_iter(covered), ["any.home.lan", "any.lan"]);
    }

    #[test]
    fn certificates_stay_when_a_new_name_cannot_be_stored() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("state");
        let state = StateDir::choose(Some(&folder)).expect("the given folder");
        let mut source = CertificateSource {
            authority: DevelopmentCa::open(state).expect("a CA"),
            exposure: Exposure::Loopback,
        };
        let secret = |name| NamespacedName::new("default", name);
        let names = |name: &str| BTreeSet::from([name.to_owned()]);
        let mut graph = Graph::default();
        graph
            .wanted_certificates
            .insert(secret("one"), names("one.example"));
        let before = source.issue(&graph);
        assert!(before.contains_key(&secret("one")));

        // The folder is refused from now on, even for root.
        set_permissions(&folder, Permissions::from_mode(0o777)).expect("changed");
        graph
            .wanted_certificates
            .insert(secret("two"), names("two.example"));
        let after = source.issue(&graph);
        assert!(Arc::ptr_eq(&after[&secret("one")], &before[&secret("one")]));
        assert!(!after.contains_key(&secret("two")));
        // The new name of a known Secret doesn't cost the Secret its other name.
        let names = graph.wanted_certificates.get_mut(&secret("one"));
        names.expect("wanted").insert("three.example".to_owned());
        assert!(source.issue(&graph).contains_key(&secret("one")));
    }
}
