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
use authority::{Authority, permitted_name};
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
/// Maximum number of names that the CA is constrained to. If there are more, it drops the names that are no longer used.
const MOST_NAMES: usize = 1_000;

/// A certificate authority for development.
#[derive(Debug)]
pub struct DevelopmentCa {
    authority: Authority,
    /// Where it is stored. `None` if it is only in memory.
    state: Option<StateDir>,
    /// Whether the stored certificate is this one.
    is_stored: bool,
    issued: BTreeMap<BTreeSet<String>, IssuedCertificate>,
}

impl DevelopmentCa {
    /// Reads the CA from a folder, or creates one. Writes nothing before the first certificate is issued.
    ///
    /// # Errors
    /// If the files can't be read, or aren't a certificate and a key.
    pub fn open(state: StateDir) -> anyhow::Result<Self> {
        let certificate = state.read(CERTIFICATE_FILE)?;
        let key = state.read(KEY_FILE)?;
        let now = OffsetDateTime::now_utc();
        let stored = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let authority = Authority::parse(&certificate, &key).with_context(|| {
                    format!(
                        "{} and {} aren't a development CA; remove them to get a new one",
                        state.path(CERTIFICATE_FILE).display(),
                        state.path(KEY_FILE).display()
                    )
                })?;
                Some(authority).filter(|it| !it.expires_soon(now))
            }
            _ => None,
        };
        let is_stored = stored.is_some();
        Ok(DevelopmentCa {
            authority: match stored {
                Some(stored) => stored,
                None => Authority::new(BTreeSet::new(), now)?,
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
            authority: Authority::new(BTreeSet::new(), OffsetDateTime::now_utc())?,
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

    /// Prepares the CA for certificates with these names, and drops certificates with other names. Logs a
    /// warning if the CA's certificate is renewed.
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
        let needed = wanted.iter().copied().flatten();
        let needed: BTreeSet<String> = needed.filter_map(|it| permitted_name(it)).collect();
        let outside = needed.iter().find(|name| !self.authority.permits(name));
        if outside.is_some() || self.authority.expires_soon(now) {
            if self.is_stored && self.state.is_some() {
                let reason = outside.map_or("it expires soon", String::as_str);
                tracing::warn!(
                    because_of = reason,
                    "the certificate of the development CA is renewed; for new names, clients must trust the new certificate \
                     (gatefold ca)"
                );
            }
            self.authority = self.authority.renew(&needed, MOST_NAMES, now)?;
            self.is_stored = false;
            self.issued.clear();
        }
        self.store()
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

    fn store(&mut self) -> anyhow::Result<()> {
        if let (Some(state), false) = (&self.state, self.is_stored) {
            // The key first: a certificate without its key would be no CA.
            state.write(KEY_FILE, &self.authority.key_pem())?;
            state.write(CERTIFICATE_FILE, self.authority.certificate_pem())?;
            self.is_stored = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
