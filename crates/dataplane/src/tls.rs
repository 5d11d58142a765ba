//! Server certificates by server name.
//!
//! In: the certificates and client validation of each listener. Out: for a TLS handshake, the certificate and the rustls
//! configuration.

use super::client_validation::ClientValidation;
use super::hostname::HostMap;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};
use std::sync::Arc;

/// HTTP/2 is preferred (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The TLS settings of a port's listeners, by server name.
#[derive(Debug, Default)]
pub struct PortTls {
    by_name: HostMap<Arc<CertificateSet>>,
    checks_clients: bool,
}

/// The certificates of a listener, at most one per kind of key.
#[derive(Debug)]
pub struct CertificateSet {
    /// In the order of the manifest. Never empty.
    pub keys: Vec<Arc<CertifiedKey>>,
    /// How clients are validated. `None` if they are not asked for certificates.
    pub clients: Option<CheckedClients>,
}

/// The client validation of a listener.
#[derive(Debug)]
pub struct CheckedClients {
    /// The validation.
    pub validation: Arc<ClientValidation>,
    /// The listener's TLS configuration, including the validation.
    pub config: Arc<ServerConfig>,
}

impl PortTls {
    /// Adds the certificates of a listener.
    pub fn insert(&mut self, hostname: Option<&str>, set: Arc<CertificateSet>) {
        self.checks_clients |= set.clients.is_some();
        self.by_name.insert(hostname, set);
    }

    /// Whether any listener validates clients. If so, the server name must be known before the handshake.
    pub fn checks_clients(&self) -> bool {
        self.checks_clients
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
    /// Creates the certificates of a listener that doesn't ask clients for certificates.
    pub fn new(keys: Vec<Arc<CertifiedKey>>) -> Self {
        CertificateSet {
            keys,
            clients: None,
        }
    }

    /// Creates the certificates of a listener that validates clients.
    ///
    /// # Errors
    /// If rustls has no common TLS version with the provider.
    pub fn checking(
        keys: Vec<Arc<CertifiedKey>>,
        validation: Arc<ClientValidation>,
    ) -> Result<Self, rustls::Error> {
        let resolver = Arc::new(Keys(keys.clone()));
        let tickets = validation.tickets.clone();
        let config = server_config(resolver, Some(&validation), tickets)?;
        let config = Arc::new(config);
        let clients = Some(CheckedClients { validation, config });
        Ok(CertificateSet { keys, clients })
    }

    /// Returns the first certificate whose key the client can verify. If there is none, the handshake fails with the
    /// matching alert.
    pub fn pick(&self, offered: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        pick(&self.keys, offered)
    }

    fn is_like(&self, other: &CertificateSet) -> bool {
        let keys = || std::iter::zip(&self.keys, &other.keys);
        let clients = match (&self.clients, &other.clients) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(&one.validation, &other.validation),
            _ => false,
        };
        clients
            && self.keys.len() == other.keys.len()
            && keys().all(|(one, other)| one.cert == other.cert)
    }
}

/// Creates the TLS configuration of a port. Sessions are stored in tickets that clients keep, not in our memory.
///
/// # Errors
/// If rustls has no common TLS version with the provider.
pub fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    clients: Option<&ClientValidation>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients.verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    config.ticketer = tickets;
    config.session_storage = Arc::new(NoServerSessionStorage {});
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
