//! A backend that uses TLS, and the settings to connect to it.

use crate::tests::support::{Client, to_target};
use bytes::Bytes;
use gatefold_dataplane::Action;
use gatefold_dataplane::backend::{BackendTarget, EndpointSet, HttpVersion};
use gatefold_dataplane::backend_tls::{
    BackendHandshake, BackendTls, BackendTlsByIdentity, ClientIdentity, SubjectName,
    TrustedAuthorities,
};
use gatefold_dataplane::filter::Filters;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) struct TestAuthority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        TestAuthority {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn issue(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        let uri = "spiffe://example.com/shop".try_into().expect("ASCII");
        params.subject_alt_names.push(SanType::URI(uri));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        (certificate.der().clone(), key)
    }

    pub(crate) fn identity(&self, name: &str) -> Arc<ClientIdentity> {
        let (certificate, key) = self.issue(name);
        let signing = ring::sign::any_supported_type(&key).expect("a key that rustls knows");
        Arc::new(ClientIdentity {
            certified_key: Arc::new(CertifiedKey::new(vec![certificate], signing)),
            key,
        })
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an anchor");
        roots
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    Any,
    WithCertificate,
}

/// The server name and the client certificate of a handshake.
pub(crate) type SeenHandshake = (String, Option<Vec<u8>>);

/// A backend that uses TLS.
pub(crate) struct TlsUpstream {
    pub(crate) address: SocketAddr,
    handshakes: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<SeenHandshake>>>,
}

impl TlsUpstream {
    pub(crate) async fn start(authority: &TestAuthority, name: &str, clients: Clients) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions of TLS");
        let roots = Arc::new(authority.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let builder = match clients {
            Clients::Any => builder.with_no_client_auth(),
            Clients::WithCertificate => {
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let (certificate, key) = authority.issue(name);
        let config = builder.with_single_cert(vec![certificate], key);
        let mut config = config.expect("a pair");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = TlsUpstream {
            address: listener.local_addr().expect("its address"),
            handshakes: Arc::default(),
            seen: Arc::default(),
        };
        let (handshakes, seen) = (upstream.handshakes.clone(), upstream.seen.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, handshakes) = (acceptor.clone(), handshakes.clone());
                let seen = seen.clone();
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    handshakes.fetch_add(1, Ordering::SeqCst);
                    let (_, session) = tls.get_ref();
                    let name = session.server_name().unwrap_or_default().to_owned();
                    let chain = session.peer_certificates().unwrap_or_default();
                    let client = chain.first().map(|it| it.to_vec());
                    seen.lock().expect("no panic").push((name, client));
                    match session.alpn_protocol() {
                        Some(b"h2") => serve_http2(tls).await,
                        _ => serve_http1(tls).await,
                    }
                });
            }
        });
        upstream
    }

    pub(crate) fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    pub(crate) fn last(&self) -> SeenHandshake {
        let seen = self.seen.lock().expect("no panic");
        seen.last().cloned().expect("a handshake")
    }
}

/// Responds to requests. Accepts upgrades, sends a greeting, and echoes.
async fn serve_http1(tls: TlsStream<TcpStream>) {
    let mut client = Client::new(tls);
    while let Some(request) = client.message(false, false).await {
        if request.header("upgrade").is_empty() {
            client
                .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsafe")
                .await;
            continue;
        }
        client
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
            .await;
        loop {
            let frame = client.bytes(4).await;
            client.send(frame).await;
        }
    }
}

async fn serve_http2(tls: TlsStream<TcpStream>) {
    let mut connection = h2::server::handshake(tls).await.expect("HTTP/2");
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let response = http::Response::new(());
        let mut body = respond.send_response(response, false).expect("sent");
        body.send_data(Bytes::from_static(b"two"), true)
            .expect("sent");
    }
}

pub(crate) fn tls(
    authority: &TestAuthority,
    names: &[SubjectName],
    identity: Option<Arc<ClientIdentity>>,
) -> Arc<BackendTls> {
    let name = ServerName::try_from("shop.example.com").expect("a name");
    let listed = TrustedAuthorities::Listed([authority.certificate.clone()].into());
    let prepared = BackendTls::new(BackendHandshake {
        server_name: name,
        authorities: listed,
        names: names.into(),
        identity,
    });
    Arc::new(prepared.expect("valid settings"))
}

pub(crate) fn action(address: SocketAddr, version: HttpVersion, tls: Arc<BackendTls>) -> Action {
    let endpoints = EndpointSet::new(version, &[address], 0).expect("an address");
    let endpoints = endpoints.in_tls(BackendTlsByIdentity {
        anonymous: tls,
        identities: [].into(),
    });
    to_target(
        BackendTarget::Endpoints(Arc::new(endpoints)),
        Filters::default(),
    )
}
