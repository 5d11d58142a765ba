//! How long certificates and lists of revoked certificates are valid.

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::time::Duration;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// The time in which a certificate or a list is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// The last second. `None` for a list without an end.
    pub end: Option<UnixTime>,
}

impl Lifetime {
    /// Returns the lifetime of a certificate. `None` if it can't be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let end = unix_time(parsed.validity().not_after)?;
        Some(Lifetime { end: Some(end) })
    }

    /// Returns the lifetime of a list. `None` if it can't be read.
    pub(super) fn of_list(list: &CertificateRevocationListDer<'_>) -> Option<Self> {
        let (_, parsed) = CertificateRevocationList::from_der(list).ok()?;
        let end = match parsed.next_update() {
            Some(time) => Some(unix_time(time)?),
            None => None,
        };
        Some(Lifetime { end })
    }
}

/// `None` for a time before 1970.
fn unix_time(time: ASN1Time) -> Option<UnixTime> {
    let seconds = u64::try_from(time.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}
