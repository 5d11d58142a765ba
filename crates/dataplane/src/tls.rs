//! Server certificates by server name.
//!
//! In: the certificates and client validation of each listener. Out: for a TLS handshake, the certificate and the rustls
//! configuration.

use super::client_traffic::tls_settings::{Resumption, TlsSettings};
use super::client_validation::ClientValidation;
use super::hostname::HostMap;
use rustls::crypto::ring;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert,
    ServerSessionMemoryCache, StoresServerSessions,
};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};
use std::sync::Arc;

mod signature_schemes;

/// The number of sessions that are kept in memory for a listener. The oldest ones are forgotten first.
const SESSIONS: usize = 1024;

/// The TLS settings of a port's listeners, by server name.
#[derive(Debug, Default)]
pub struct PortTls {
    by_name: HostMap<Arc<CertificateSet>>,
    has_own_configs: bool,
}

/// The certificates of a listener, at most one per kind of key.
#[derive(Debug)]
pub struct CertificateSet {
    /// In the order of the manifest. Never empty.
    pub keys: Vec<Arc<CertifiedKey>>,
    /// The TLS configuration of the listener. `None` if it is that of every listener.
    pub own: Option<OwnConfig>,
}

/// The TLS configuration of a listener that differs from that of every listener.
#[derive(Debug)]
pub struct OwnConfig {
    /// How TLS is set up.
    pub settings: Arc<TlsSettings>,
    /// How clients are validated. `None` if they are not asked for certificates.
    pub clients: Option<Arc<ClientValidation>>,
    /// The configuration for rustls.
    pub config: Arc<ServerConfig>,
}

/// What resuming sessions needs. Later snapshots keep it as long as nothing changes that a resumed session skips: the settings, and
/// the validation of clients.
#[derive(Clone, Debug)]
pub struct Sessions {
    tickets: Arc<dyn ProducesTickets>,
    memory: Arc<dyn StoresServerSessions>,
}

impl PortTls {
    /// Adds the certificates of a listener.
    pub fn insert(&mut self, hostname: Option<&str>, set: Arc<CertificateSet>) {
        self.has_own_configs |= set.own.is_some();
        self.by_name.insert(hostname, set);
    }

    /// Whether any listener has a configuration of its own. If so, the server name must be known before the handshake.
    pub fn has_own_configs(&self) -> bool {
        self.has_own_configs
    }

    /// Returns the certificates for a server name: those of the listener with the most specific hostname, as for a request
    /// (Gateway API, `Listener.hostname`). `None` for a name that no listener serves, as in Envoy.
    ///
    /// A client that connects to an IP address sends no name. It gets the listener without a hostname, or else, if all
    /// listeners of the port have equal settings, those. If they differ, the requested site is unknown, and the
    /// certificate of one site proves nothing about another.
    pub fn find(&self, server_name: Option<&str>) -> Option<&CertificateSet> {
        match server_name {
            Some(name) => self.by_name.find(name.strip_suffix('.').unwrap_or(name)),
            // No hostname is empty, so this finds only the listener for any name.
            None => self.by_name.find("").or_else(|| self.only()),
        }
        .map(|set| &**set)
    }

    /// Returns all certificates by hostname, the most specific first. `*` is any name.
    pub fn sorted(&self) -> Vec<(String, &Arc<CertificateSet>)> {
        self.by_name.sorted()
    }

    /// Returns all certificates in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &Arc<CertificateSet>> {
        self.by_name.values()
    }

    fn only(&self) -> Option<&Arc<CertificateSet>> {
        let mut sets = self.by_name.values();
        let first = sets.next()?;
        sets.all(|other| Arc::ptr_eq(first, other) || first.is_like(other))
            .then_some(first)
    }
}

impl CertificateSet {
    /// Creates the certificates of a listener with the TLS configuration of every listener.
    pub fn new(keys: Vec<Arc<CertifiedKey>>) -> Self {
        CertificateSet { keys, own: None }
    }

    /// Creates the certificates of a listener with a configuration of its own.
    ///
    /// # Errors
    /// If the settings leave no version with a cipher suite, or no group.
    pub fn with_own_config(
        keys: Vec<Arc<CertifiedKey>>,
        settings: Arc<TlsSettings>,
        clients: Option<Arc<ClientValidation>>,
        sessions: &Sessions,
    ) -> Result<Self, rustls::Error> {
        let keys = match &settings.signature_schemes {
            Some(schemes) => signature_schemes::limit(keys, schemes),
            None => keys,
        };
        let resolver = Arc::new(Keys(keys.clone()));
        let config = server_config(resolver, &settings, clients.as_deref(), sessions)?;
        let own = OwnConfig {
            settings,
            clients,
            config: Arc::new(config),
        };
        Ok(CertificateSet {
            keys,
            own: Some(own),
        })
    }

    /// How clients are validated. `None` if they are not asked for certificates.
    pub fn clients(&self) -> Option<&Arc<ClientValidation>> {
        self.own.as_ref()?.clients.as_ref()
    }

    /// Returns the first certificate whose key the client can verify. If there is none, the handshake fails with the
    /// matching alert.
    pub fn pick(&self, offered: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        pick(&self.keys, offered)
    }

    fn is_like(&self, other: &CertificateSet) -> bool {
        let keys = || std::iter::zip(&self.keys, &other.keys);
        let own = match (&self.own, &other.own) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                let clients = |own: &OwnConfig| own.clients.as_ref().map(Arc::as_ptr);
                clients(one) == clients(other) && one.settings == other.settings
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        own && self.keys.len() == other.keys.len()
            && keys().all(|(one, other)| one.cert == other.cert)
    }
}

impl Sessions {
    /// Creates new ticket keys and an empty memory, as far as the settings need them.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(resumption: Resumption) -> Result<Self, rustls::Error> {
        Ok(Sessions {
            tickets: if resumption.tickets {
                ring::Ticketer::new()?
            } else {
                Arc::new(NoTickets)
            },
            memory: if resumption.memory {
                ServerSessionMemoryCache::new(SESSIONS)
            } else {
                Arc::new(NoServerSessionStorage {})
            },
        })
    }
}

/// Issues no tickets.
#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// Creates a TLS configuration.
///
/// # Errors
/// If the settings leave no version with a cipher suite, or no group.
pub fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    settings: &TlsSettings,
    clients: Option<&ClientValidation>,
    sessions: &Sessions,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(settings.provider());
    let versions = settings.versions.supported();
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients.verifier()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols.clone_from(&settings.alpn);
    config.ticketer = sessions.tickets.clone();
    config.session_storage = sessions.memory.clone();
    if !config.ticketer.enabled() && !config.session_storage.can_cache() {
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn pick<'k>(
    keys: &'k [Arc<CertifiedKey>],
    offered: &[SignatureScheme],
) -> Option<&'k Arc<CertifiedKey>> {
    keys.iter()
        .find(|certified| certified.key.choose_scheme(offered).is_some())
}

/// The certificates of one listener, for any server name.
#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        pick(&self.0, hello.signature_schemes()).cloned()
    }
}
