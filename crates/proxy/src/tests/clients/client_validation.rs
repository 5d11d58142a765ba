//! Validation of client certificates in the TLS handshake.

use crate::tests::clients::tls::{certified, client_config, handshake};
use crate::tests::support::{Client, Gateway, Upstream, soon, tls_port, to};
use gatefold_dataplane::client_validation::{ClientRequirements, ClientValidation};
use gatefold_dataplane::tls::{CertificateSet, PortTls};
use rcgen::PKCS_ECDSA_P256_SHA256;
use rustls::ClientConnection;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;
use std::io::Cursor;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Starts a gateway whose only listener admits clients with this certificate.
async fn checking(client: &CertifiedKey) -> Gateway {
    let requirements = ClientRequirements {
        authorities: vec![client.cert[0].clone()],
        ..ClientRequirements::default()
    };
    let scope = "default/gateway:443".into();
    let validation = ClientValidation::new(scope, requirements);
    let keys = vec![certified(&["a.example"], &PKCS_ECDSA_P256_SHA256)];
    let set = {
        let validation = Arc::new(validation.expect("an authority"));
        let sessions = validation.sessions.clone();
        let settings = Arc::default();
        CertificateSet::with_own_config(keys, settings, Some(validation), &sessions)
    };
    let mut tls = PortTls::default();
    tls.insert(Some("a.example"), Arc::new(set.expect("a configuration")));
    let upstream = Upstream::plain().await;
    Gateway::start(tls_port(to(&[upstream.address]), tls)).await
}

/// Presents this certificate to every server.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn connection(shown: &Arc<CertifiedKey>) -> ClientConnection {
    let mut config = client_config(None);
    config.client_auth_cert_resolver = Arc::new(Shows(shown.clone()));
    let name = ServerName::try_from("a.example").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

/// Sends the pending TLS data, one byte per packet.
async fn dribble(tls: &mut ClientConnection, tcp: &mut TcpStream) {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).expect("into memory");
    }
    for byte in bytes {
        tcp.write_all(&[byte]).await.expect("sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_hello_sent_byte_by_byte_is_validated() {
    let client = certified(&["client"], &PKCS_ECDSA_P256_SHA256);
    let gateway = checking(&client).await;
    let mut tls = connection(&client);
    let mut tcp = TcpStream::connect(gateway.address)
        .await
        .expect("connected");
    tcp.set_nodelay(true).expect("a socket");
    while tls.is_handshaking() {
        dribble(&mut tls, &mut tcp).await;
        if tls.is_handshaking() {
            let mut buffer = [0; 4096];
            let length = soon(tcp.read(&mut buffer)).await.expect("read");
            assert_ne!(length, 0, "the handshake ended early");
            let mut read = Cursor::new(&buffer[..length]);
            while read.position() < length as u64 {
                tls.read_tls(&mut read).expect("from memory");
            }
            tls.process_new_packets().expect("a handshake");
        }
    }
    assert!(tls.peer_certificates().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_but_a_client_hello_gets_an_alert_and_is_closed() {
    let client = certified(&["client"], &PKCS_ECDSA_P256_SHA256);
    let gateway = checking(&client).await;
    let mut tcp = TcpStream::connect(gateway.address)
        .await
        .expect("connected");
    let text = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    tcp.write_all(text).await.expect("sent");
    let mut answer = Vec::new();
    // The stream may end with a reset.
    let _ = soon(tcp.read_to_end(&mut answer)).await;
    const ALERT: u8 = 21;
    assert_eq!(answer.first(), Some(&ALERT), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_leaves_before_its_hello_is_released() {
    let client = certified(&["client"], &PKCS_ECDSA_P256_SHA256);
    let gateway = checking(&client).await;
    let tcp = TcpStream::connect(gateway.address)
        .await
        .expect("connected");
    gateway.open(1).await;
    drop(Client::new(tcp));
    gateway.all_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_client_gets_an_alert_with_the_reason() {
    let known = certified(&["client"], &PKCS_ECDSA_P256_SHA256);
    let gateway = checking(&known).await;
    let connected = handshake(&gateway, Some("a.example"), client_config(None)).await;
    let mut alerted = match connected {
        // In TLS 1.3 the client completes its handshake before its certificate is validated.
        Ok(client) => client.stream,
        Err(error) => panic!("the handshake failed early: {error}"),
    };
    let refused = soon(alerted.read(&mut [0; 16])).await.expect_err("refused");
    let text = refused.to_string();
    assert!(text.contains("CertificateRequired"), "{text}");
    let connected = handshake(&gateway, Some("b.example"), client_config(None)).await;
    let text = connected
        .err()
        .expect("no listener has the name")
        .to_string();
    assert!(text.contains("alert"), "{text}");
}
