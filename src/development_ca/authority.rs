//! The certificate and the key of a development CA.

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::collections::BTreeSet;
use std::fmt;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// How long the certificate is valid.
const VALIDITY: Duration = Duration::days(825);
/// It is renewed if it expires within this time.
const RENEWAL: Duration = Duration::days(100);
/// The CA's common name.
const NAME: &str = "gatefold development CA";
/// A name that the CA always permits. Without any permitted name it would permit all of them.
const LOCALHOST: &str = "localhost";

/// The certificate and the key of a development CA.
pub(super) struct SigningAuthority {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
    /// The names that it is constrained to, each with the names below it.
    permitted: BTreeSet<String>,
    not_after: OffsetDateTime,
}

impl SigningAuthority {
    /// Creates a CA with a new key. It may issue certificates for these names.
    pub(super) fn new(permitted: BTreeSet<String>, now: OffsetDateTime) -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("can't make a key")?;
        SigningAuthority::sign(key, permitted, now)
    }

    /// Makes a new certificate with the same key, for the names so far and these. If that would be more than `most`, it is for these
    /// only, and then for their domains.
    pub(super) fn renew(
        &self,
        names: &BTreeSet<String>,
        most: usize,
        now: OffsetDateTime,
    ) -> anyhow::Result<Self> {
        let all: BTreeSet<String> = self.permitted.union(names).cloned().collect();
        let permitted = match (all.len() > most, names.len() > most) {
            (false, _) => all,
            (true, false) => names.clone(),
            (true, true) => names.iter().map(|name| domain(name).to_owned()).collect(),
        };
        let key = KeyPair::from_pem(&self.key.serialize_pem()).context("can't copy the key")?;
        SigningAuthority::sign(key, permitted, now)
    }

    fn sign(
        key: KeyPair,
        mut permitted: BTreeSet<String>,
        now: OffsetDateTime,
    ) -> anyhow::Result<Self> {
        permitted.insert(LOCALHOST.to_owned());
        let mut params = params();
        params.not_before = now - Duration::days(1);
        params.not_after = now + VALIDITY;
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: permitted
                .iter()
                .cloned()
                .map(GeneralSubtree::DnsName)
                .chain(loopback())
                .collect(),
            excluded_subtrees: Vec::new(),
        });
        let certificate = params.self_signed(&key).context("can't sign the CA")?;
        Ok(SigningAuthority {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key,
            permitted,
            not_after: params.not_after,
        })
    }

    /// Reads a stored CA.
    pub(super) fn parse(certificate: &str, key: &str) -> anyhow::Result<Self> {
        let key = KeyPair::from_pem(key).context("the key can't be read")?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes());
        let der = der.context("the certificate can't be read")?;
        let parsed = X509Certificate::from_der(&der);
        let (_, parsed) = parsed.context("the certificate can't be parsed")?;
        let is_its_key = parsed.public_key().subject_public_key.data == key.public_key_raw();
        anyhow::ensure!(is_its_key, "the key doesn't belong to the certificate");
        let constraints = parsed.name_constraints()?;
        let subtrees = constraints.and_then(|it| it.value.permitted_subtrees.as_ref());
        let permitted = subtrees
            .into_iter()
            .flatten()
            .filter_map(|it| match it.base {
                GeneralName::DNSName(name) => Some(name.to_owned()),
                _ => None,
            });
        let permitted = permitted.collect();
        let not_after = parsed.validity().not_after.to_datetime();
        Ok(SigningAuthority {
            permitted,
            not_after,
            key,
            pem: certificate.to_owned(),
            certificate: der.clone().into_owned(),
        })
    }

    /// Whether it may issue certificates for a name.
    pub(super) fn permits(&self, name: &str) -> bool {
        let mut suffixes = std::iter::successors(Some(name), |it| {
            it.split_once('.').map(|(_, parent)| parent)
        });
        suffixes.any(|suffix| self.permitted.contains(suffix))
    }

    /// Whether it must be renewed.
    pub(super) fn expires_soon(&self, now: OffsetDateTime) -> bool {
        self.not_after - now < RENEWAL
    }

    /// Whether both have the same key.
    pub(super) fn has_key_of(&self, other: &SigningAuthority) -> bool {
        self.key.public_key_raw() == other.key.public_key_raw()
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Returns the issuer, which signs certificates.
    pub(super) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::new(params(), &self.key)
    }
}

/// Prints the permitted names only, never the key.
impl fmt::Debug for SigningAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SigningAuthority");
        shown
            .field("permitted", &self.permitted)
            .finish_non_exhaustive()
    }
}

/// Returns the name that the CA must permit for a name in a certificate: the name without `*.`. `None` for an IP address, since
/// loopback addresses are always permitted, and for a URI, which has no constraint.
pub(super) fn permitted_name(name: &str) -> Option<String> {
    let is_dns_name = name.parse::<std::net::IpAddr>().is_err() && !name.contains("://");
    let name = name.strip_prefix("*.").unwrap_or(name);
    is_dns_name.then(|| name.to_owned())
}

/// Returns a name without its first label, unless that would be a top-level domain.
fn domain(name: &str) -> &str {
    match name.split_once('.') {
        Some((_, domain)) if domain.contains('.') => domain,
        _ => name,
    }
}

fn loopback() -> impl Iterator<Item = GeneralSubtree> {
    let mut last_bit = [0; 16];
    last_bit[15] = 1;
    let subnets = [
        CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0]),
        CidrSubnet::V6(last_bit, [255; 16]),
    ];
    subnets.into_iter().map(GeneralSubtree::IpAddress)
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
