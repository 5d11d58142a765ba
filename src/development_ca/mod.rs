//! A certificate authority for development (`--dev-certificates`): certificates for Secrets that a cluster has and the folder lacks.
//!
//! In: names. Out: certificates that clients accept if they trust the CA. The CA is constrained to the names that it has issued
//! certificates for (RFC 5280, section 4.2.1.10), so its key is worth little to others. For another name, its certificate is
//! renewed with the same key: a client that trusts the earlier one still accepts the earlier names. The CA is stored below
//! `--state-dir`; certificates are not.

mod authority;
mod issued;

use crate::state_dir::StateDir;
use anyhow::Context as _;
use authority::{SigningAuthority, permitted_name};
use issued::IssuedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;

/// The file of the CA's certificate (PEM).
pub(crate) const CERTIFICATE_FILE: &str = "ca.crt";
/// The file of the CA's key (PEM).
const KEY_FILE: &str = "ca.key";
/// The label that takes the place of `*` in a hostname where a single host is needed.
pub(crate) const ANY_LABEL: &str = "any";
/// The most names that the CA is constrained to. Beyond, names that are no longer used are forgotten, and if that isn't enough, the
/// domains of the names take their place. Clients refuse a certificate if its names times these are too many: rustls-webpki more than
/// 250,000 comparisons, OpenSSL more than 1,048,576.
const MOST_NAMES: usize = 200;

/// A certificate authority for development.
#[derive(Debug)]
pub struct DevelopmentCa {
    authority: SigningAuthority,
    /// Where it is stored. `None` if it is only in memory.
    state: Option<StateDir>,
    /// Whether clients can find its certificate, or it needs no folder.
    is_stored: bool,
    issued: BTreeMap<BTreeSet<String>, IssuedCertificate>,
}

impl DevelopmentCa {
    /// Reads the CA from a folder, or creates one. Writes nothing before the first certificate is issued.
    ///
    /// # Errors
    /// If the files can't be read, or aren't a certificate and a key.
    pub fn open(state: StateDir) -> anyhow::Result<Self> {
        let stored = stored(&state)?;
        let is_stored = stored.is_some();
        Ok(DevelopmentCa {
            authority: match stored {
                Some(stored) => stored,
                None => SigningAuthority::new(BTreeSet::new(), OffsetDateTime::now_utc())?,
            },
            state: Some(state),
            is_stored,
            issued: BTreeMap::new(),
        })
    }

    /// Creates a CA that isn't stored.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn in_memory() -> anyhow::Result<Self> {
        Ok(DevelopmentCa {
            authority: SigningAuthority::new(BTreeSet::new(), OffsetDateTime::now_utc())?,
            state: None,
            is_stored: true,
            issued: BTreeMap::new(),
        })
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.authority.certificate()
    }

    /// The file with the CA's certificate. `None` if it isn't stored.
    pub fn certificate_file(&self) -> Option<PathBuf> {
        Some(self.state.as_ref()?.path(CERTIFICATE_FILE))
    }

    /// Prepares the CA for certificates with these names, and forgets certificates with others. Logs a warning if the CA's
    /// certificate is renewed. If this fails, the CA stays as it was.
    ///
    /// # Errors
    /// If the CA can't be stored.
    pub fn prepare<'n>(
        &mut self,
        wanted: impl Iterator<Item = &'n BTreeSet<String>>,
    ) -> anyhow::Result<()> {
        let wanted: BTreeSet<&BTreeSet<String>> = wanted.collect();
        let now = OffsetDateTime::now_utc();
        self.issued
            .retain(|names, known| wanted.contains(names) && !known.expires_soon(now));
        if wanted.is_empty() {
            return Ok(());
        }
        let needed = wanted.iter().copied().flatten();
        let needed: BTreeSet<String> = needed.filter_map(|it| permitted_name(it)).collect();
        match self.state.clone() {
            Some(state) if self.must_change(&state, &needed, now)? => {
                self.change(&state, &needed, now)
            }
            Some(_) => Ok(()),
            None => {
                if let Some(renewed) = renewed(&self.authority, &needed, now)? {
                    self.authority = renewed;
                }
                Ok(())
            }
        }
    }

    /// Returns those of some names for which clients that trust the CA accept certificates. `None` if there are none.
    pub fn covered(&self, names: &BTreeSet<String>) -> Option<BTreeSet<String>> {
        let is_covered =
            |name: &String| permitted_name(name).is_none_or(|it| self.authority.permits(&it));
        let covered: BTreeSet<String> = names.iter().filter(|it| is_covered(it)).cloned().collect();
        // Without names, the certificate is for localhost.
        (self.is_stored && covered.is_empty() == names.is_empty()).then_some(covered)
    }

    /// Returns the certificate for some names, which [`prepare`](Self::prepare) was called with. The same names have the same
    /// certificate.
    ///
    /// # Errors
    /// If a name isn't valid in a certificate.
    pub fn issue(&mut self, names: &BTreeSet<String>) -> anyhow::Result<Arc<CertifiedKey>> {
        if let Some(known) = self.issued.get(names) {
            return Ok(known.certified_key.clone());
        }
        let issued = IssuedCertificate::sign(names, &self.authority, OffsetDateTime::now_utc())?;
        let certified_key = issued.certified_key.clone();
        self.issued.insert(names.clone(), issued);
        Ok(certified_key)
    }

    /// Whether the stored CA is another one, or lacks names.
    fn must_change(
        &self,
        state: &StateDir,
        needed: &BTreeSet<String>,
        now: OffsetDateTime,
    ) -> anyhow::Result<bool> {
        let stored = state.read(CERTIFICATE_FILE)?;
        let is_same = stored.as_deref() == Some(self.authority.certificate_pem());
        Ok(!is_same || reason_to_renew(&self.authority, needed, now).is_some())
    }

    /// Replaces the CA by the stored one, with the needed names, and stores the result. Another process may have changed the stored
    /// one: its names are kept.
    fn change(
        &mut self,
        state: &StateDir,
        needed: &BTreeSet<String>,
        now: OffsetDateTime,
    ) -> anyhow::Result<()> {
        let _lock = state.lock()?;
        let stored = stored(state)?;
        let base = stored.as_ref().unwrap_or(&self.authority);
        let renewed = renewed(base, needed, now)?;
        if renewed.is_some() || stored.is_none() {
            if let Some(stored) = &stored {
                tracing::warn!(
                    because_of = reason_to_renew(stored, needed, now),
                    "the certificate of the development CA is renewed; for new names, clients must trust the new certificate (gatefold ca)"
                );
            }
            let new = renewed.as_ref().unwrap_or(base);
            // The key first: a certificate without its key would be no CA.
            state.write(KEY_FILE, &new.key_pem())?;
            state.write(CERTIFICATE_FILE, new.certificate_pem())?;
        }
        if let Some(new) = renewed.or(stored) {
            if !new.has_key_of(&self.authority) {
                self.issued.clear();
            }
            self.authority = new;
        }
        self.is_stored = true;
        Ok(())
    }
}

/// Reads the stored CA. `None` if there is none.
fn stored(state: &StateDir) -> anyhow::Result<Option<SigningAuthority>> {
    let certificate = state.read(CERTIFICATE_FILE)?;
    let (Some(certificate), Some(key)) = (certificate, state.read(KEY_FILE)?) else {
        return Ok(None);
    };
    let authority = SigningAuthority::parse(&certificate, &key).with_context(|| {
        format!(
            "{} and {} aren't a development CA; remove them to get a new one",
            state.path(CERTIFICATE_FILE).display(),
            state.path(KEY_FILE).display()
        )
    })?;
    Ok(Some(authority))
}

/// Returns a CA with the same key and a new certificate, if it needs one.
fn renewed(
    authority: &SigningAuthority,
    needed: &BTreeSet<String>,
    now: OffsetDateTime,
) -> anyhow::Result<Option<SigningAuthority>> {
    let is_needed = reason_to_renew(authority, needed, now).is_some();
    let renewed = is_needed.then(|| authority.renew(needed, MOST_NAMES, now));
    renewed.transpose()
}

/// Why the certificate must be renewed: a name that falls outside, or its age.
fn reason_to_renew<'n>(
    authority: &SigningAuthority,
    needed: &'n BTreeSet<String>,
    now: OffsetDateTime,
) -> Option<&'n str> {
    let mut outside = needed.iter().filter(|name| !authority.permits(name));
    let expires = || authority.expires_soon(now).then_some("it expires soon");
    outside.next().map(String::as_str).or_else(expires)
}

#[cfg(test)]
mod tests;
