//! Reads lists of revoked certificates from a ConfigMap or a Secret (API: `CrlContext`).
//!
//! In: the text of its entry. Out: the lists, each of which rustls accepts, or why they can't be used.

use super::pem;
use rustls_pki_types::CertificateRevocationListDer;
use time::OffsetDateTime;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// The entry that contains the lists (PEM), by the API's name.
pub(super) const ENTRY: &str = "ca.crl";

/// The lists of an object. Never empty.
pub(super) type RevocationBundle = Vec<CertificateRevocationListDer<'static>>;

/// Reads the lists.
///
/// # Errors
/// Returns the first problem. One bad list makes the whole object unusable.
pub(super) fn load(text: Option<&[u8]>) -> Result<RevocationBundle, String> {
    let text = text.ok_or_else(|| format!("it has no entry `{ENTRY}`"))?;
    let lists = pem::revocation_lists(text).map_err(|why| format!("entry `{ENTRY}` {why}"))?;
    for (index, list) in lists.iter().enumerate() {
        check(list).map_err(|why| {
            let position = index + 1;
            format!("list {position} in entry `{ENTRY}` can't be used: {why}")
        })?;
    }
    Ok(lists)
}

/// Warns about lists that have expired: every client whose certificate they cover is refused. If `now` is `None`, the dates aren't
/// checked.
pub(super) fn warnings(
    lists: &[CertificateRevocationListDer<'_>],
    now: Option<OffsetDateTime>,
) -> Vec<String> {
    let Some(now) = now.map(OffsetDateTime::unix_timestamp) else {
        return Vec::new();
    };
    let expired = lists.iter().enumerate().filter_map(|(index, list)| {
        let (_, parsed) = CertificateRevocationList::from_der(list).ok()?;
        let end = parsed.next_update().filter(|it| it.timestamp() < now)?;
        let position = index + 1;
        Some(format!(
            "list {position} in entry `{ENTRY}` expired on {end}: the clients of its issuer are refused"
        ))
    });
    expired.collect()
}

fn check(list: &CertificateRevocationListDer<'_>) -> Result<(), String> {
    match CertificateRevocationList::from_der(list) {
        Ok(([], _)) => Ok(()),
        Ok(_) => Err("there are bytes after it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
