//! The certificates that a development CA issues.

use super::authority::SigningAuthority;
use anyhow::{Context as _, anyhow};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// How long a certificate is valid. Certificates are never stored, so none is older than the process.
const VALIDITY: Duration = Duration::days(90);
/// It is issued anew, at a reload, if it expires within this time.
const RENEWAL: Duration = Duration::days(30);

/// A certificate that was issued.
#[derive(Debug)]
pub(super) struct IssuedCertificate {
    pub(super) certified_key: Arc<CertifiedKey>,
    not_after: OffsetDateTime,
}

impl IssuedCertificate {
    /// Issues a certificate for these names: DNS names, possibly with `*.` in front, IP addresses and URIs. Without a name, it is
    /// for `localhost` and the loopback addresses.
    pub(super) fn sign(
        names: &BTreeSet<String>,
        authority: &SigningAuthority,
        now: OffsetDateTime,
    ) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let names = names.iter().map(|name| subject_name(name));
        params.subject_alt_names = names.collect::<anyhow::Result<_>>()?;
        if params.subject_alt_names.is_empty() {
            params.subject_alt_names = localhost()?;
        }
        // Some clients refuse a certificate without a subject.
        let subject = "gatefold development certificate";
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = now - Duration::days(1);
        params.not_after = now + VALIDITY;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("can't make a key")?;
        let certificate = params.signed_by(&key, &authority.issuer());
        let certificate = certificate.context("can't sign a certificate")?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|why| anyhow!(why))?;
        let key = any_supported_type(&key).context("the key can't be used")?;
        Ok(IssuedCertificate {
            certified_key: Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)),
            not_after: params.not_after,
        })
    }

    /// Whether it must be issued anew.
    pub(super) fn expires_soon(&self, now: OffsetDateTime) -> bool {
        self.not_after - now < RENEWAL
    }
}

fn subject_name(name: &str) -> anyhow::Result<SanType> {
    let text = || {
        name.try_into()
            .with_context(|| format!("`{name}` can't be in a certificate"))
    };
    Ok(match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) if name.contains("://") => SanType::URI(text()?),
        Err(_) => SanType::DnsName(text()?),
    })
}

fn localhost() -> anyhow::Result<Vec<SanType>> {
    Ok(vec![
        subject_name("localhost")?,
        SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
        SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
    ])
}
