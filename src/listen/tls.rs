use crate::dataplane::{Snapshot, tls};
use arc_swap::ArcSwap;
use pingora_core::listeners::tls::Acceptor;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::net::SocketAddr;
use std::sync::Arc;

/// HTTP/2 first, as every peer does (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What speaks TLS on one socket. It stays for the socket's whole life, and with it the keys of the session
/// tickets: a reload costs no client its session. Certificates are taken from the snapshot in force.
pub(super) fn acceptor(
    socket: SocketAddr,
    snapshot: Arc<ArcSwap<Snapshot>>,
) -> Result<Acceptor, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver { socket, snapshot }));
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    // Sessions live in the tickets that clients keep, not in our memory.
    config.ticketer = ring::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Acceptor::from_server_config(Arc::new(config)))
}

#[derive(Debug)]
struct Resolver {
    socket: SocketAddr,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.snapshot.load();
        let port = snapshot.ports.get(&self.socket)?;
        let set = tls::find(port.tls.as_ref()?, hello.server_name())?;
        set.pick(hello.signature_schemes()).cloned()
    }
}
