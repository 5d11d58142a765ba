//! Backends that are connected to in TLS.

use super::support::{Client, Gateway, port, port_of, rule, soon, to_target};
use super::upgrade::UPGRADE;
use crate::counters::Mirrored;
use crate::{Counters, Timeouts};
use bytes::Bytes;
use gatefold_dataplane::backend::{Endpoints, HttpVersion, Target};
use gatefold_dataplane::backend_tls::{
    Authorities, BackendHandshake, BackendTls, BackendTlsByIdentity, ClientIdentity, SubjectName,
};
use gatefold_dataplane::filter::request_mirror::{RequestMirror, Share};
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_dataplane::timeouts::{Limit, RuleTimeouts};
use gatefold_dataplane::{Action, Rule};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(super) fn issue(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        let uri = "spiffe://example.com/shop".try_into().expect("ASCII");
        params.subject_alt_names.push(SanType::URI(uri));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        (certificate.der().clone(), key)
    }

    fn identity(&self, name: &str) -> Arc<ClientIdentity> {
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
enum Clients {
    Anybody,
    WithCertificate,
}

/// Server name and client certificate of a handshake.
type Seen = (String, Option<Vec<u8>>);

/// A backend in TLS.
struct Upstream {
    address: SocketAddr,
    handshakes: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    async fn start(authority: &Authority, name: &str, clients: Clients) -> Upstream {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions of TLS");
        let roots = Arc::new(authority.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let builder = match clients {
            Clients::Anybody => builder.with_no_client_auth(),
            Clients::WithCertificate => {
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let (certificate, key) = authority.issue(name);
        let config = builder.with_single_cert(vec![certificate], key);
        let mut config = config.expect("a pair");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = Upstream {
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

    fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    fn last(&self) -> Seen {
        let seen = self.seen.lock().expect("no panic");
        seen.last().cloned().expect("a handshake")
    }
}

/// Answers requests; takes upgrades, greets, and sends back what it gets.
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
    authority: &Authority,
    names: &[SubjectName],
    identity: Option<Arc<ClientIdentity>>,
) -> Arc<BackendTls> {
    let name = ServerName::try_from("shop.example.com").expect("a name");
    let listed = Authorities::Listed([authority.certificate.clone()].into());
    let made = BackendTls::new(BackendHandshake {
        server_name: name,
        authorities: listed,
        names: names.into(),
        identity,
    });
    Arc::new(made.expect("settings that rustls takes"))
}

pub(super) fn action(address: SocketAddr, version: HttpVersion, tls: Arc<BackendTls>) -> Action {
    let endpoints = Endpoints::new(version, &[address], 0).expect("an address");
    let endpoints = endpoints.in_tls(BackendTlsByIdentity {
        anonymous: tls,
        identities: [].into(),
    });
    to_target(Target::Endpoints(Arc::new(endpoints)), Filters::default())
}

async fn gateway(upstream: &Upstream, tls: Arc<BackendTls>) -> Gateway {
    Gateway::start(port(action(upstream.address, HttpVersion::Http1, tls))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_is_asked_for_its_name_and_its_connection_is_kept() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "shop.example.com", Clients::Anybody).await;
    let gateway = gateway(&upstream, tls(&authority, &[], None)).await;
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer(false).await;
        assert_eq!(answer.text(), "safe", "{}", answer.head);
    }
    assert_eq!(upstream.last().0, "shop.example.com");
    assert!(upstream.handshakes() < 20, "none was used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_without_a_trusted_certificate_for_the_name_gets_no_request() {
    let authority = Authority::new();
    let elsewhere = Upstream::start(&authority, "other.example.com", Clients::Anybody).await;
    let trusting = tls(&authority, &[], None);
    let answer = gateway(&elsewhere, trusting.clone()).await.get("/").await;
    assert_eq!(answer.status(), 502, "another name: {}", answer.head);
    let stranger = Authority::new();
    let foreign = Upstream::start(&stranger, "shop.example.com", Clients::Anybody).await;
    let answer = gateway(&foreign, trusting).await.get("/").await;
    assert_eq!(answer.status(), 502, "another authority: {}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_plain_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let secure = tls(&Authority::new(), &[], None);
    let action = || action(address, HttpVersion::Http1, secure.clone());
    let timeouts = RuleTimeouts {
        request: Limit::After(Duration::from_secs(20)),
        backend_request: Limit::Unset,
    };
    let limited = Rule {
        timeouts,
        ..rule(action())
    };
    // A rule's time limits make connections of their own.
    for port in [port(action()), port_of(limited)] {
        let gateway = Gateway::start(port).await;
        for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", UPGRADE] {
            let mut client = gateway.connect().await;
            client.send(request).await;
            let (mut tcp, _) = soon(listener.accept()).await.expect("a connection");
            let mut begin = [0; 1];
            soon(tcp.read_exact(&mut begin)).await.expect("a byte");
            assert_eq!(begin, [22], "a TLS handshake record: {request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_may_have_any_of_the_names_that_a_policy_lists() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "internal.example.com", Clients::Anybody).await;
    let dns = |name: &'static str| SubjectName::Dns(ServerName::try_from(name).expect("a name"));
    let uri = |text: &str| SubjectName::Uri(text.to_owned());
    for names in [
        vec![dns("internal.example.com")],
        vec![dns("x.example.com"), uri("spiffe://example.com/shop")],
    ] {
        let gateway = gateway(&upstream, tls(&authority, &names, None)).await;
        for _ in 0..3 {
            let answer = gateway.get("/").await;
            assert_eq!(answer.status(), 200, "{names:?}: {}", answer.head);
        }
        assert_eq!(upstream.last().0, "shop.example.com", "asked for");
    }
    let names = [dns("shop.example.com"), uri("spiffe://example.com/other")];
    let gateway = gateway(&upstream, tls(&authority, &names, None)).await;
    for _ in 0..3 {
        assert_eq!(gateway.get("/").await.status(), 502);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_that_is_asked_for_does_not_count_when_others_are_listed() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "shop.example.com", Clients::Anybody).await;
    let names = [SubjectName::DnsBelow("internal".to_owned())];
    let gateway = gateway(&upstream, tls(&authority, &names, None)).await;
    assert_eq!(gateway.get("/").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_one_policy_is_never_anothers() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "shop.example.com", Clients::Anybody).await;
    let mut gateway = gateway(&upstream, tls(&authority, &[], None)).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    // The connection is kept. The next policy wouldn't have made it.
    let stranger = tls(&Authority::new(), &[], None);
    let next = port(action(upstream.address, HttpVersion::Http1, stranger));
    let address = gateway.address;
    gateway.publish([(address, next)]).await;
    assert_eq!(gateway.get("/").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_in_tls() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "shop.example.com", Clients::Anybody).await;
    let names = [SubjectName::Uri("spiffe://example.com/shop".to_owned())];
    for secure in [tls(&authority, &[], None), tls(&authority, &names, None)] {
        let action = action(upstream.address, HttpVersion::Http2, secure);
        let gateway = Gateway::start(port(action)).await;
        let before = upstream.handshakes();
        for _ in 0..10 {
            assert_eq!(gateway.get("/").await.text(), "two");
        }
        assert!(upstream.handshakes() < before + 10, "none was shared");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_upgrades_get_through_in_tls() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "shop.example.com", Clients::Anybody).await;
    let gateway = gateway(&upstream, tls(&authority, &[], None)).await;
    for number in 0..50 {
        let mut client = gateway.connect().await;
        client.send(UPGRADE).await;
        let answer = client.answer(true).await;
        assert_eq!(answer.status(), 101, "{number}: {}", answer.head);
        assert_eq!(client.bytes(2).await, b"hi", "{number}");
        client.send("ping").await;
        assert_eq!(client.bytes(4).await, b"ping", "{number}");
    }
    let stranger = tls(&Authority::new(), &[], None);
    let next = port(action(upstream.address, HttpVersion::Http1, stranger));
    let gateway = Gateway::start(next).await;
    assert_eq!(gateway.ask(UPGRADE).await.status(), 502, "checked as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_asks_is_shown_the_client_certificate() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "shop.example.com", Clients::WithCertificate).await;
    let identity = authority.identity("edge.example.com");
    let shown = identity.certified_key.cert.first().map(|it| it.to_vec());
    let with = tls(&authority, &[], Some(identity));
    let gateway = gateway(&upstream, with).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(upstream.last().1, shown);
    let mut client = gateway.connect().await;
    client.send(UPGRADE).await;
    assert_eq!(client.answer(true).await.status(), 101);
    assert_eq!(upstream.last().1, shown, "upgrades, too");
    let without = port(action(
        upstream.address,
        HttpVersion::Http1,
        tls(&authority, &[], None),
    ));
    assert_eq!(Gateway::start(without).await.get("/").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_must_have_one_of_the_listed_names_as_well() {
    let authority = Authority::new();
    let upstream = Upstream::start(&authority, "shop.example.com", Clients::Anybody).await;
    let uri = |text: &str| SubjectName::Uri(text.to_owned());
    for (name, outcome) in [
        ("spiffe://example.com/shop", Mirrored::Answered),
        ("spiffe://example.com/other", Mirrored::Failed),
    ] {
        let listed = tls(&authority, &[uri(name)], None);
        let Action::Forward(split) = action(upstream.address, HttpVersion::Http1, listed) else {
            panic!("it forwards");
        };
        let mirror = RequestMirror {
            name: "default/mirror:443".into(),
            target: split.pick().target.clone(),
            share: Share::new(1, 1, 0),
        };
        let anonymous = action(
            upstream.address,
            HttpVersion::Http1,
            tls(&authority, &[], None),
        );
        let rule = rule(anonymous);
        let filters = Filters::new(vec![Filter::RequestMirror(mirror)]);
        let counters = Counters::default();
        let port = port_of(Rule { filters, ..rule });
        let gateway = Gateway::counting(port, Timeouts::default(), counters.clone()).await;
        assert_eq!(gateway.get("/").await.status(), 200);
        soon(async {
            while counters.mirrored_so_far(outcome) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
