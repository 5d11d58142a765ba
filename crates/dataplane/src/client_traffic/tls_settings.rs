//! How TLS with the clients of a listener is set up, if that differs from what every listener does.

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::{
    CipherSuite, DEFAULT_VERSIONS, NamedGroup, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion, version,
};
use std::fmt;

/// HTTP/2 is preferred (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// How TLS with the clients of a listener is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The versions that are served.
    pub versions: TlsVersions,
    /// The cipher suites of TLS 1.2. `None` means all; TLS 1.3 always has all of its own.
    pub cipher_suites: Option<Vec<CipherSuite>>,
    /// The groups for key exchange. `None` means all.
    pub groups: Option<Vec<NamedGroup>>,
    /// The algorithms by which gatefold signs. `None` means all that fit the certificates.
    pub signature_schemes: Option<Vec<SignatureScheme>>,
    /// The protocols that are offered, the most preferred one first. Empty turns the negotiation off.
    pub alpn: Vec<Vec<u8>>,
    /// How sessions are resumed.
    pub resumption: Resumption,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    #[default]
    All,
    /// TLS 1.2.
    Only12,
    /// TLS 1.3.
    Only13,
}

/// How sessions are resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// With tickets, which clients keep.
    pub tickets: bool,
    /// With sessions in memory.
    pub memory: bool,
}

impl Default for Resumption {
    fn default() -> Self {
        Resumption {
            tickets: true,
            memory: false,
        }
    }
}

impl Default for TlsSettings {
    fn default() -> Self {
        TlsSettings {
            versions: TlsVersions::default(),
            cipher_suites: None,
            groups: None,
            signature_schemes: None,
            alpn: ALPN.map(<[u8]>::to_vec).to_vec(),
            resumption: Resumption::default(),
        }
    }
}

impl TlsSettings {
    /// Returns the provider of cryptography with the cipher suites and groups that are served, in its own order of preference.
    pub(crate) fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if let Some(suites) = &self.cipher_suites {
            let is_served = |suite: &SupportedCipherSuite| {
                suite.tls13().is_some() || suites.contains(&suite.suite())
            };
            provider.cipher_suites.retain(is_served);
        }
        if let Some(groups) = &self.groups {
            let is_served = |group: &&dyn SupportedKxGroup| groups.contains(&group.name());
            provider.kx_groups.retain(is_served);
        }
        provider
    }
}

impl TlsVersions {
    /// Returns the versions for rustls.
    pub(crate) fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
        static TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
        match self {
            TlsVersions::All => DEFAULT_VERSIONS,
            TlsVersions::Only12 => TLS12,
            TlsVersions::Only13 => TLS13,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            TlsVersions::All => "1.2 and 1.3",
            TlsVersions::Only12 => "1.2",
            TlsVersions::Only13 => "1.3",
        }
    }
}

/// The part of a line, for fixtures and readers.
impl fmt::Display for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TlsSettings {
            versions,
            cipher_suites,
            groups,
            signature_schemes,
            alpn,
            resumption,
        } = self;
        write!(f, "versions {}", versions.as_str())?;
        if let Some(suites) = cipher_suites {
            write!(f, ", {suites:?}")?;
        }
        if let Some(groups) = groups {
            write!(f, ", {groups:?}")?;
        }
        if let Some(schemes) = signature_schemes {
            write!(f, ", {schemes:?}")?;
        }
        f.write_str(", ALPN")?;
        for protocol in alpn {
            write!(f, " {}", String::from_utf8_lossy(protocol))?;
        }
        let Resumption { tickets, memory } = resumption;
        match (tickets, memory) {
            (true, false) => Ok(()),
            (true, true) => f.write_str(", resumed with tickets or from memory"),
            (false, true) => f.write_str(", resumed from memory"),
            (false, false) => f.write_str(", never resumed"),
        }
    }
}
