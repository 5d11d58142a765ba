//! Certificates created by tests, and a TLS client that trusts only them.

use super::DEADLINE;
use super::client::Client;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::client::{Resumption, WantsClientCert};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, HandshakeKind, RootCertStore, ServerConfig,
    StreamOwned, SupportedProtocolVersion,
};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A client connection over TLS.
pub type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

/// A certificate authority.
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Issues a valid certificate for a hostname.
    pub fn issue(&self, hostname: &str) -> Pair {
        self.sign(CertificateParams::new([hostname.to_owned()]).expect("parameters"))
    }

    /// Issues an expired certificate.
    pub fn issue_expired(&self, hostname: &str) -> Pair {
        let mut params = CertificateParams::new([hostname.to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(params)
    }

    /// Issues a certificate with a serial number and these subject alternative names.
    pub fn issue_with(&self, serial: u64, names: Vec<SanType>) -> Pair {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names = names;
        self.sign(params)
    }

    /// Revokes the certificates with these serial numbers, and returns the list as PEM.
    pub fn revoke(&self, serials: &[u64]) -> String {
        let (year, next_year) = (date_time_ymd(2026, 1, 1), date_time_ymd(4000, 1, 1));
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: year,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: year,
            next_update: next_year,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a list");
        list.pem().expect("PEM")
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    /// The certificate of the authority.
    pub fn pem(&self) -> String {
        self.pem.clone()
    }

    /// The configuration of a client that trusts only this authority, without session resumption.
    pub fn trust(&self) -> Arc<ClientConfig> {
        self.trust_as(None)
    }

    /// The same, with a client certificate.
    pub fn trust_as(&self, client: Option<&Pair>) -> Arc<ClientConfig> {
        let builder = self.client(rustls::DEFAULT_VERSIONS);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from(pair.der.clone())];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    /// The configuration of a client that trusts only this authority, shows a certificate, and resumes sessions.
    pub fn trust_resuming_as(&self, client: &Pair) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.trust_as(Some(client)));
        config.resumption = Resumption::in_memory_sessions(8);
        Arc::new(config)
    }

    /// The configuration of a client that trusts only this authority, speaks only this version, and resumes sessions.
    pub fn trust_resuming(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        Arc::new(self.client(&[version]).with_no_client_auth())
    }

    fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificate.clone())
            .expect("the authority's certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions of TLS")
            .with_root_certificates(roots)
    }

    /// Opens a TLS connection. The server's certificate must be from this authority and match the hostname. Returns the
    /// certificate, too.
    pub fn connect(&self, socket: SocketAddr, hostname: &str) -> io::Result<(TlsClient, Vec<u8>)> {
        Authority::connect_with(self.trust(), socket, hostname)
    }

    /// Opens a TLS connection with this client configuration.
    pub fn connect_with(
        config: Arc<ClientConfig>,
        socket: SocketAddr,
        hostname: &str,
    ) -> io::Result<(TlsClient, Vec<u8>)> {
        let tcp = TcpStream::connect_timeout(&socket, DEADLINE)?;
        Authority::connect_after(config, tcp, b"", hostname)
    }

    /// Sends bytes on a connection, and continues in TLS. The ClientHello follows in the same segment if the bytes are few.
    pub fn connect_after(
        config: Arc<ClientConfig>,
        mut tcp: TcpStream,
        first: &[u8],
        hostname: &str,
    ) -> io::Result<(TlsClient, Vec<u8>)> {
        let name = ServerName::try_from(hostname.to_owned()).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        let mut hello = first.to_vec();
        tls.write_tls(&mut hello)?;
        tcp.write_all(&hello)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        let served = tls.peer_certificates().and_then(|chain| chain.first());
        let served = served
            .map(|certificate| certificate.to_vec())
            .unwrap_or_default();
        Ok((Client::over(StreamOwned::new(tls, tcp)), served))
    }
}

impl TlsClient {
    /// Whether the handshake resumed an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.stream().conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

/// A ConfigMap with the certificate of an authority.
pub fn config_map(name: &str, certificate: &str) -> String {
    config_map_with(name, "ca.crt", certificate)
}

/// A ConfigMap with an entry.
pub fn config_map_with(name: &str, entry: &str, pem: &str) -> String {
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  {entry}: |
{}",
        indented(pem)
    )
}

/// The configuration of a server with this certificate. With `clients`, it requires client certificates of this authority.
pub fn server_config(pair: &Pair, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions of TLS");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let added = roots.add(authority.certificate.clone());
            added.expect("the authority's certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let chain = vec![CertificateDer::from(pair.der.clone())];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    Arc::new(builder.with_single_cert(chain, key).expect("a pair"))
}

/// A Secret of type `kubernetes.io/tls`.
pub fn secret(name: &str, certificate: &str, key: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: {name}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{}  tls.key: |
{}",
        indented(certificate),
        indented(key)
    )
}

fn indented(pem: &str) -> String {
    let lines = pem.trim().lines();
    lines.map(|line| format!("    {line}\n")).collect()
}
