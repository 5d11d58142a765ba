//! Stand-ins for certificates that the folder lacks (`--dev-certificates`).
//!
//! In: the Secrets and the echo backends that a graph wants certificates for. Out: certificates of the development CA. A failure is
//! logged, and the graph reports what has no certificate.

use crate::development_ca::DevelopmentCa;
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

    /// Issues the certificates that a graph wants, those of echo backends as well.
    pub(crate) fn issue(&mut self, graph: &Graph) -> StandInPairs {
        let echo = graph.wanted.values().filter_map(|it| it.tls.as_deref());
        let echo: Vec<BTreeSet<String>> = echo.map(|it| it.iter().cloned().collect()).collect();
        let secrets = &graph.wanted_certificates;
        if let Err(error) = self.authority.prepare(secrets.values().chain(&echo)) {
            error!(error = %format_args!("{error:#}"), "can't store the development CA, so it issues no certificate");
            return Arc::default();
        }
        let issued = secrets.iter().filter_map(|(secret, names)| {
            let issued = self.authority.issue(names);
            let issued = issued.inspect_err(|error| {
                error!(%secret, error = %format_args!("{error:#}"), "can't issue a development certificate");
            });
            Some((secret.clone(), issued.ok()?))
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
