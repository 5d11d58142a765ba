//! TLS with clients.

use crate::tests::support::{Client, Gateway, Upstream, curl, port, soon, tls_port, to};
use gatefold_dataplane::tls::{CertificateSet, PortTls};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) fn certified(
    names: &[&str],
    algorithm: &'static SignatureAlgorithm,
) -> Arc<CertifiedKey> {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let parameters = rcgen::CertificateParams::new(names).expect("names");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    with_key(certificate.der().clone(), &key)
}

fn with_key(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<CertifiedKey> {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = ring::sign::any_supported_type(&key).expect("a key that rustls knows");
    Arc::new(CertifiedKey::new(vec![certificate], key))
}

fn set(keys: &[&Arc<CertifiedKey>]) -> Arc<CertificateSet> {
    let keys = keys.iter().map(|key| Arc::clone(key)).collect();
    Arc::new(CertificateSet::new(keys))
}

pub(crate) fn certificates(sets: &[(Option<&str>, &Arc<CertifiedKey>)]) -> PortTls {
    let mut map = PortTls::default();
    for (hostname, key) in sets {
        map.insert(*hostname, set(&[key]));
    }
    map
}

/// Returns a certificate like one of `openssl x509 -req` without extensions: version 1, a CN, serial 0.
fn version_1(name: &str) -> Arc<CertifiedKey> {
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).expect("short");
        let mut der = vec![tag, 0x82];
        der.extend_from_slice(&length.to_be_bytes());
        der.extend_from_slice(&content);
        der
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let algorithm = [0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let common_name = der(0x30, &[&[6, 3, 0x55, 4, 3], &der(0x0c, &[name.as_bytes()])]);
    let subject = der(0x30, &[&der(0x31, &[&common_name])]);
    let validity = der(
        0x30,
        &[
            &der(0x17, &[b"240101000000Z"]),
            &der(0x17, &[b"490101000000Z"]),
        ],
    );
    let spki = key.subject_public_key_info();
    let tbs = der(
        0x30,
        &[&[2, 1, 0], &algorithm, &subject, &validity, &subject, &spki],
    );
    let signature = key.sign(&tbs).expect("signed");
    let certificate = der(0x30, &[&tbs, &algorithm, &der(3, &[&[0], &signature])]);
    with_key(certificate.into(), &key)
}

/// Accepts any certificate. The tests examine it themselves.
#[derive(Debug)]
struct Anything(Vec<SignatureScheme>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

pub(crate) fn client_config(schemes: Option<SignatureScheme>) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let all = provider
        .signature_verification_algorithms
        .supported_schemes();
    let schemes = schemes.map_or(all, |scheme| vec![scheme]);
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything(schemes)))
        .with_no_client_auth()
}

pub(crate) async fn handshake(
    gateway: &Gateway,
    name: Option<&str>,
    config: ClientConfig,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let tcp = TcpStream::connect(gateway.address).await?;
    let name = match name {
        Some(name) => ServerName::try_from(name.to_owned()).expect("a name"),
        None => ServerName::from(gateway.address.ip()),
    };
    soon(TlsConnector::from(Arc::new(config)).connect(name, tcp))
        .await
        .map(Client::new)
}

async fn shown(gateway: &Gateway, name: Option<&str>) -> Option<CertificateDer<'static>> {
    let client = handshake(gateway, name, client_config(None)).await.ok()?;
    Some(leaf(&client))
}

fn leaf(client: &Client<TlsStream<TcpStream>>) -> CertificateDer<'static> {
    let certificates = client.stream.get_ref().1.peer_certificates();
    certificates.expect("a certificate")[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn server_name_selects_the_certificate() {
    let exact = certified(&["www.example.com"], &PKCS_ECDSA_P256_SHA256);
    let wildcard = certified(&["*.example.com"], &PKCS_ECDSA_P256_SHA256);
    let map = certificates(&[
        (Some("www.example.com"), &exact),
        (Some("*.example.com"), &wildcard),
    ]);
    let gateway = Gateway::start(tls_port(to(&[Upstream::plain().await.address]), map)).await;
    assert_eq!(
        shown(&gateway, Some("www.example.com")).await.as_ref(),
        exact.cert.first()
    );
    assert_eq!(
        shown(&gateway, Some("WWW.example.com")).await.as_ref(),
        exact.cert.first()
    );
    assert_eq!(
        shown(&gateway, Some("a.b.example.com")).await.as_ref(),
        wildcard.cert.first()
    );
    assert_eq!(
        shown(&gateway, Some("other.example")).await,
        None,
        "no listener has the name"
    );
    assert_eq!(
        shown(&gateway, None).await,
        None,
        "without a name, the choice is ambiguous"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificate_is_used_without_a_server_name() {
    let only = certified(&["www.example.com"], &PKCS_ECDSA_P256_SHA256);
    let map = certificates(&[(Some("www.example.com"), &only)]);
    let gateway = Gateway::start(tls_port(to(&[Upstream::plain().await.address]), map)).await;
    assert_eq!(shown(&gateway, None).await.as_ref(), only.cert.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn client_gets_a_certificate_whose_key_it_can_verify() {
    let edwards = certified(&["a.example"], &PKCS_ED25519);
    let curve = certified(&["a.example"], &PKCS_ECDSA_P256_SHA256);
    let mut map = PortTls::default();
    map.insert(None, set(&[&edwards, &curve]));
    let gateway = Gateway::start(tls_port(to(&[Upstream::plain().await.address]), map)).await;
    for (scheme, expected) in [
        (SignatureScheme::ED25519, &edwards),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &curve),
    ] {
        let config = client_config(Some(scheme));
        let client = handshake(&gateway, Some("a.example"), config)
            .await
            .expect("a handshake");
        assert_eq!(Some(&leaf(&client)), expected.cert.first(), "{scheme:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_and_http2_are_negotiated_and_the_backend_sees_https() {
    let upstream = Upstream::plain().await;
    let key = certified(&["www.example.com"], &PKCS_ECDSA_P256_SHA256);
    let map = certificates(&[(Some("www.example.com"), &key)]);
    let gateway = Gateway::start(tls_port(to(&[upstream.address]), map)).await;
    let port = gateway.address.port();
    let resolve = format!("www.example.com:{port}:127.0.0.1");
    let url = format!("https://www.example.com:{port}/get");
    for (version, printed) in [("--http2", "ok 2"), ("--http1.1", "ok 1.1")] {
        let arguments = [
            version,
            "-k",
            "--resolve",
            &resolve,
            "-w",
            " %{http_version}",
            &url,
        ];
        assert_eq!(curl(&arguments, b"").await, printed);
        assert_eq!(upstream.last().header("x-forwarded-proto"), ["https"]);
        assert_eq!(
            upstream.last().header("host"),
            [format!("www.example.com:{port}")]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x509_version_1_certificate_is_served() {
    let key = version_1("www.example.com");
    let map = certificates(&[(Some("www.example.com"), &key)]);
    let upstream = Upstream::plain().await;
    let gateway = Gateway::start(tls_port(to(&[upstream.address]), map)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, pem(&key.cert[0])).expect("written");
    let port = gateway.address.port();
    let resolve = format!("www.example.com:{port}:127.0.0.1");
    let url = format!("https://www.example.com:{port}/get");
    let file = file.to_str().expect("a name");
    let printed = curl(&["--cacert", file, "--resolve", &resolve, &url], b"").await;
    assert_eq!(printed, "ok", "curl accepts it as its own authority");
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificate_applies_to_new_connections_and_cuts_off_no_old_one() {
    let upstream = Upstream::plain().await;
    let (old, new) = (
        certified(&["a.example"], &PKCS_ECDSA_P256_SHA256),
        certified(&["a.example"], &PKCS_ECDSA_P256_SHA256),
    );
    let with = |key| tls_port(to(&[upstream.address]), certificates(&[(None, key)]));
    let mut gateway = Gateway::start(with(&old)).await;
    let mut client = handshake(&gateway, Some("a.example"), client_config(None))
        .await
        .expect("a handshake");
    assert_eq!(Some(&leaf(&client)), old.cert.first());
    gateway.publish([(gateway.address, with(&new))]).await;
    assert_eq!(
        shown(&gateway, Some("a.example")).await.as_ref(),
        new.cert.first()
    );
    client
        .send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await;
    assert_eq!(client.answer(false).await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn port_switches_between_tls_and_plain_with_the_snapshot() {
    let upstream = Upstream::plain().await;
    let key = certified(&["a.example"], &PKCS_ECDSA_P256_SHA256);
    let mut gateway = Gateway::start(port(to(&[upstream.address]))).await;
    assert_eq!(gateway.get("/").await.status(), 200);
    let secured = tls_port(to(&[upstream.address]), certificates(&[(None, &key)]));
    gateway.publish([(gateway.address, secured)]).await;
    assert_eq!(
        shown(&gateway, Some("a.example")).await.as_ref(),
        key.cert.first()
    );
    gateway
        .publish([(gateway.address, port(to(&[upstream.address])))])
        .await;
    assert_eq!(gateway.get("/").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_request_over_tls_gets_an_answer() {
    let upstream = Upstream::plain().await;
    let key = certified(&["www.example.com"], &PKCS_ECDSA_P256_SHA256);
    let port = tls_port(to(&[upstream.address]), certificates(&[(None, &key)]));
    let gateway = Gateway::start(port).await;
    let client = handshake(&gateway, Some("www.example.com"), client_config(None)).await;
    let mut client = client.expect("a TLS session");
    client.send("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer(false).await;
    assert_eq!(answer.status(), 400, "{}", answer.head);
    assert!(client.ended().await, "the connection stays open");
    assert_eq!(upstream.requests(), 0);
}
