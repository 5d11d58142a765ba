//! Stand-ins for objects that a cluster has and the folder lacks.
//!
//! In: what the command line asks for (`--echo`, `--backend`, `--dev-certificates`), and what exists of it so far. Out: answers to
//! the build, which uses a stand-in only if the lookup of an object fails. A graph lists what it would use in
//! [`wanted`](crate::Graph::wanted) and [`wanted_certificates`](crate::Graph::wanted_certificates). An object in the folder always
//! takes precedence. Nothing that protects has a stand-in.

use crate::ServicePortKey;
use gatefold_manifest::api::NamespacedName;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The stand-ins that a build may use. None by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StandIns {
    /// The Services that exist although the folder doesn't contain them.
    pub services: StandInServices,
    /// The ports of Services that built-in echo backends serve.
    pub echo: Arc<BTreeSet<ServicePortKey>>,
    /// The stand-ins for missing certificates. `None` without `--dev-certificates`.
    pub certificates: Option<StandInCertificates>,
}

impl StandIns {
    /// The certificate of the development CA.
    pub(crate) fn authority(&self) -> Option<&CertificateDer<'static>> {
        self.certificates.as_ref().map(|it| &it.authority)
    }
}

/// The Services that exist although the folder doesn't contain them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StandInServices {
    /// None.
    #[default]
    None,
    /// Those to which `--backend` gives an address.
    Named(Arc<BTreeSet<NamespacedName>>),
    /// Every Service that a route refers to (`--echo`).
    All,
}

impl StandInServices {
    /// Whether a Service exists that isn't in the folder.
    pub(crate) fn contain(&self, service: &NamespacedName) -> bool {
        match self {
            StandInServices::None => false,
            StandInServices::Named(named) => named.contains(service),
            StandInServices::All => true,
        }
    }
}

/// Stand-ins for certificates, signed by a development CA.
#[derive(Clone, Debug)]
pub struct StandInCertificates {
    /// The certificate of the CA.
    pub authority: CertificateDer<'static>,
    /// The certificates that were issued so far, by the Secret that they replace.
    pub pairs: Arc<BTreeMap<NamespacedName, Arc<CertifiedKey>>>,
    /// Where they may be served.
    pub exposure: Exposure,
}

/// Two are equal if they have the same CA and the same certificates. Certificates are compared by identity.
impl PartialEq for StandInCertificates {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.pairs.iter().zip(other.pairs.iter());
        self.authority == other.authority
            && self.exposure == other.exposure
            && self.pairs.len() == other.pairs.len()
            && pairs.all(|((one, pair), (other, known))| one == other && Arc::ptr_eq(pair, known))
    }
}

/// The addresses on which stand-ins for certificates may be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// Loopback addresses.
    #[default]
    Loopback,
    /// Any address (`--dev-certificates-allow-remote`).
    Any,
}

impl Exposure {
    /// Whether stand-ins may be served on an address.
    pub(crate) fn permits(self, address: IpAddr) -> bool {
        match self {
            Exposure::Loopback => address.to_canonical().is_loopback(),
            Exposure::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_excludes_the_unspecified_address() {
        for (address, is_permitted) in [
            ("127.0.0.1", true),
            ("127.83.0.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.0.2.1", false),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(
                Exposure::Loopback.permits(address),
                is_permitted,
                "{address}"
            );
            assert!(Exposure::Any.permits(address));
        }
    }
}
