use super::client_validation::ClientValidation;
use super::hostname::HostMap;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};
use std::sync::Arc;

/// HTTP/2 first, as every peer does (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a port's listeners show in the TLS handshake, and ask of clients, by server name.
#[derive(Debug, Default)]
pub struct PortTls {
    by_name: HostMap<Arc<CertificateSet>>,
    checks_clients: bool,
}

/// The certificates of a listener: one for each kind of key that a client may ask for.
#[derive(Debug)]
pub struct CertificateSet {
    /// In the order of the manifest; never empty.
    pub keys: Vec<Arc<CertifiedKey>>,
    /// How clients are checked; they aren't asked for certificates when absent.
    pub clients: Option<CheckedClients>,
}

/// A listener's check of its clients.
#[derive(Debug)]
pub struct CheckedClients {
    /// What is checked.
    pub validation: Arc<ClientValidation>,
    /// The listener's TLS, with the check in it.
    pub config: Arc<ServerConfig>,
}

impl PortTls {
    /// Adds a listener by its hostname.
    pub fn insert(&mut self, hostname: Option<&str>, set: Arc<CertificateSet>) {
        self.checks_clients |= set.clients.is_some();
        self.by_name.insert(hostname, set);
    }

    /// Whether some listener checks its clients: the server name must be known before the handshake.
    pub fn checks_clients(&self) -> bool {
        self.checks_clients
    }

    /// What goes for a server name: the most specific listener's, as for a request (Gateway API,
    /// `Listener.hostname`). A name that no listener serves gets nothing, as Envoy does it.
    ///
    /// A client that sends no name, since it was given an address, gets the listener without a hostname; else,
    /// when all listeners of the port are alike, that. With several there is no telling which site it means,
    /// and one's certificate says nothing about another's.
    pub fn find(&self, server_name: Option<&str>) -> Option<&CertificateSet> {
        match server_name {
            Some(name) => self.by_name.find(name.strip_suffix('.').unwrap_or(name)),
            // No hostname is empty: only the listener for any name is found.
            None => self.by_name.find("").or_else(|| self.only()),
        }
        .map(|set| &**set)
    }

    /// By hostname, the most specific first; `*` is any.
    pub fn sorted(&self) -> Vec<(String, &Arc<CertificateSet>)> {
        self.by_name.sorted()
    }

    /// In no order.
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
    /// Certificates of a listener that asks clients for none.
    pub fn new(keys: Vec<Arc<CertifiedKey>>) -> Self {
        CertificateSet {
            keys,
            clients: None,
        }
    }

    /// Certificates of a listener that checks its clients.
    ///
    /// # Errors
    /// Those of rustls, for a provider without common versions of TLS.
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

    /// The first certificate with a key that the client can check. A client that can check none gets
    /// nothing, and the handshake fails with the alert for it.
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

/// TLS as every port speaks it. Sessions live in the tickets that clients keep, not in our memory.
///
/// # Errors
/// Those of rustls, for a provider without common versions of TLS.
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

/// One listener's certificates, whatever the server name.
#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        pick(&self.0, hello.signature_schemes()).cloned()
    }
}
