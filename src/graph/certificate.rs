//! From a Secret to a certificate with its key.
//!
//! rustls' own constructors refuse X.509 version 1, which is what `openssl x509 -req` makes without
//! extensions and what many tutorials print. Such certificates are served: the pair is put together by
//! hand and the public keys are compared with x509-parser.

use crate::manifest::api::{Secret, SecretText};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

/// The Secret's entry with the certificate chain, the leaf first (PEM).
pub const CERTIFICATE_ENTRY: &str = "tls.crt";
/// The Secret's entry with the private key (PEM).
pub const KEY_ENTRY: &str = "tls.key";

/// A certificate chain with its key, ready to be served.
#[derive(Debug)]
pub struct Certificate {
    /// What rustls serves.
    pub certified_key: Arc<CertifiedKey>,
    /// The key as it is written.
    pub key: PrivateKeyDer<'static>,
    /// The names it is for: DNS names of the SAN, else the CN. Lower case, possibly with `*.`.
    pub names: Vec<String>,
    /// Served, but probably not for long.
    pub warnings: Vec<CertificateWarning>,
}

/// What is wrong with a Secret as a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateProblem {
    /// An entry isn't there.
    #[error("the Secret has no entry `{0}`")]
    MissingEntry(&'static str),
    /// An entry of `data` isn't base64.
    #[error("entry `{0}` isn't base64; put plain text under `stringData`")]
    NotBase64(&'static str),
    /// An entry isn't PEM, or has no block of the right kind.
    #[error("entry `{entry}` {why}")]
    NotPem {
        /// Which entry.
        entry: &'static str,
        /// What it has instead.
        why: String,
    },
    /// The leaf certificate can't be parsed.
    #[error("entry `tls.crt` has a certificate that can't be parsed: {0}")]
    Unparsable(String),
    /// The key is of a kind that TLS can't use, or broken.
    #[error(
        "entry `tls.key` has a private key that can't be used: {0}; RSA (2048 bits and more), ECDSA (P-256, P-384) and Ed25519 keys can"
    )]
    UnusableKey(String),
    /// Certificate and key don't belong together.
    #[error("the private key in `tls.key` doesn't belong to the first certificate in `tls.crt`")]
    KeyMismatch,
}

impl CertificateProblem {
    /// The Secret's entry that the problem is in.
    pub fn entry(&self) -> &'static str {
        match self {
            CertificateProblem::MissingEntry(entry)
            | CertificateProblem::NotBase64(entry)
            | CertificateProblem::NotPem { entry, .. } => entry,
            CertificateProblem::Unparsable(_) => CERTIFICATE_ENTRY,
            CertificateProblem::UnusableKey(_) | CertificateProblem::KeyMismatch => KEY_ENTRY,
        }
    }
}

/// Why a certificate that is served won't please clients.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateWarning {
    /// Its time is over.
    #[error("the certificate expired on {0}")]
    Expired(String),
    /// Its time hasn't come.
    #[error("the certificate isn't valid before {0}")]
    NotYetValid(String),
}

/// Reads the pair out of a Secret. Without a time, validity periods aren't looked at.
///
/// # Errors
/// Says what is wrong with which entry; never shows a part of the key.
pub fn load(
    secret: &Secret,
    now: Option<OffsetDateTime>,
) -> Result<Certificate, CertificateProblem> {
    let chain = read_chain(&entry(secret, CERTIFICATE_ENTRY)?)?;
    let key = read_key(&entry(secret, KEY_ENTRY)?)?;
    let signing_key = any_supported_type(&key)
        .map_err(|error| CertificateProblem::UnusableKey(error.to_string()))?;
    let leaf = chain
        .first()
        .map(CertificateDer::as_ref)
        .unwrap_or_default();
    let (_, parsed) = X509Certificate::from_der(leaf)
        .map_err(|error| CertificateProblem::Unparsable(error.to_string()))?;
    let key_info = signing_key.public_key();
    if let Some(key_info) = &key_info
        && !same_public_key(parsed.public_key(), key_info.as_ref())
    {
        return Err(CertificateProblem::KeyMismatch);
    }
    let names = names(&parsed);
    let warnings = now.map_or_else(Vec::new, |now| validity(&parsed, now));
    Ok(Certificate {
        certified_key: Arc::new(CertifiedKey::new(chain, signing_key)),
        key,
        names,
        warnings,
    })
}

/// The decoded bytes of an entry; `stringData` takes precedence over `data`, as in a cluster.
fn entry(secret: &Secret, name: &'static str) -> Result<Vec<u8>, CertificateProblem> {
    if let Some(text) = secret.spec.string_data.get(name) {
        return Ok(text.expose().as_bytes().to_vec());
    }
    let encoded = secret
        .spec
        .data
        .get(name)
        .map(SecretText::expose)
        .ok_or(CertificateProblem::MissingEntry(name))?;
    // Like Go's decoder, which a cluster uses: line breaks don't count.
    let compact: String = encoded
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    STANDARD
        .decode(compact)
        .map_err(|_| CertificateProblem::NotBase64(name))
}

fn read_chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateProblem> {
    let wrong = |why: String| CertificateProblem::NotPem {
        entry: CERTIFICATE_ENTRY,
        why,
    };
    let chain = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("isn't PEM: {error}")))?;
    if chain.is_empty() {
        return Err(wrong("has no `BEGIN CERTIFICATE` block".to_owned()));
    }
    Ok(chain)
}

fn read_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateProblem> {
    let why = match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => return Ok(key),
        Err(_) if contains(bytes, b"BEGIN ENCRYPTED PRIVATE KEY") => {
            "has an encrypted key; decrypt it first (`openssl pkey -in KEY -out PLAIN`)".to_owned()
        }
        Err(pem::Error::NoItemsFound) => {
            "has no `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY` block"
                .to_owned()
        }
        // The message may quote the text, which may be the key.
        Err(_) => "isn't PEM".to_owned(),
    };
    Err(CertificateProblem::NotPem {
        entry: KEY_ENTRY,
        why,
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

/// Compares the keys themselves: how the algorithm is written may differ between the two.
fn same_public_key(certificate: &SubjectPublicKeyInfo, key: &[u8]) -> bool {
    SubjectPublicKeyInfo::from_der(key)
        .is_ok_and(|(_, key)| key.subject_public_key.data == certificate.subject_public_key.data)
}

fn names(certificate: &X509Certificate) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let from_san = alternative.iter().flat_map(|san| &san.value.general_names);
    let mut names: Vec<String> = from_san
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        let common = certificate.subject().iter_common_name();
        names.extend(common.filter_map(|name| name.as_str().ok().map(str::to_ascii_lowercase)));
    }
    names
}

fn validity(certificate: &X509Certificate, now: OffsetDateTime) -> Vec<CertificateWarning> {
    let period = certificate.validity();
    let now = now.unix_timestamp();
    let mut warnings = Vec::new();
    if period.not_after.timestamp() < now {
        warnings.push(CertificateWarning::Expired(period.not_after.to_string()));
    }
    if period.not_before.timestamp() > now {
        warnings.push(CertificateWarning::NotYetValid(
            period.not_before.to_string(),
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Document, Source};
    use crate::manifest::api::{ObjectMeta, SecretFields};
    use rcgen::{CertificateParams, KeyPair};
    use std::collections::BTreeMap;

    fn secret(entries: &[(&str, String)]) -> Secret {
        let string_data = entries
            .iter()
            .map(|(name, text)| ((*name).to_owned(), SecretText::new(text.clone())))
            .collect();
        Secret {
            kind: "Secret",
            api_version: "v1".to_owned(),
            meta: ObjectMeta {
                name: "cert".into(),
                namespace: "default".into(),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
                generation: 1,
                creation_timestamp: None,
                uid: String::new(),
                resource_version: String::new(),
            },
            spec: SecretFields {
                kind: "kubernetes.io/tls".to_owned(),
                data: BTreeMap::new(),
                string_data,
            },
            recorded_status: None,
            document: Document {
                source: Arc::new(Source {
                    path: "secret.yaml".into(),
                    text: "".into(),
                }),
                bytes: 0..0,
                line: 1,
                item: None,
            },
        }
    }

    fn pair(names: &[&str]) -> (String, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("parameters");
        let certificate = params.self_signed(&key).expect("a certificate");
        (certificate.pem(), key)
    }

    #[test]
    fn names_come_from_the_alternative_names() {
        let (certificate, key) = pair(&["WWW.example.com", "*.example.org"]);
        let secret = secret(&[("tls.crt", certificate), ("tls.key", key.serialize_pem())]);
        let loaded = load(&secret, None).expect("a good pair");
        assert_eq!(loaded.names, ["www.example.com", "*.example.org"]);
    }

    #[test]
    fn data_is_base64_and_may_be_wrapped() {
        let (certificate, key) = pair(&["a.example"]);
        let mut secret = secret(&[("tls.key", key.serialize_pem())]);
        let mut encoded = STANDARD.encode(certificate);
        encoded.insert(40, '\n');
        let entry = ("tls.crt".to_owned(), SecretText::new(encoded));
        secret.spec.data.extend([entry]);
        assert!(load(&secret, None).is_ok(), "wrapped base64 must be read");
        let broken = ("tls.crt".to_owned(), SecretText::new("%%%"));
        secret.spec.data.extend([broken]);
        let problem = load(&secret, None).err();
        assert_eq!(problem, Some(CertificateProblem::NotBase64("tls.crt")));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (certificate, _) = pair(&["a.example"]);
        let (_, other) = pair(&["a.example"]);
        let secret = secret(&[("tls.crt", certificate), ("tls.key", other.serialize_pem())]);
        assert_eq!(
            load(&secret, None).err(),
            Some(CertificateProblem::KeyMismatch)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let (certificate, key) = pair(&["a.example"]);
        let cases = [
            (secret(&[]), "the Secret has no entry `tls.crt`"),
            (
                secret(&[("tls.crt", certificate.clone())]),
                "the Secret has no entry `tls.key`",
            ),
            (
                secret(&[
                    ("tls.crt", "hello".into()),
                    ("tls.key", key.serialize_pem()),
                ]),
                "entry `tls.crt` has no `BEGIN CERTIFICATE` block",
            ),
            (
                secret(&[("tls.crt", certificate), ("tls.key", "hello".into())]),
                "entry `tls.key` has no `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY` block",
            ),
        ];
        for (secret, expected) in cases {
            let problem = load(&secret, None).map(|_| ()).map_err(|p| p.to_string());
            assert_eq!(problem, Err(expected.to_owned()));
        }
    }

    #[test]
    fn an_expired_certificate_is_served_with_a_warning() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let secret = secret(&[("tls.crt", certificate), ("tls.key", key.serialize_pem())]);
        let now = time::macros::datetime!(2026-01-01 0:00 UTC);
        let loaded = load(&secret, Some(now)).expect("it is served");
        assert!(
            matches!(&loaded.warnings[..], [CertificateWarning::Expired(_)]),
            "{:?}",
            loaded.warnings
        );
    }

    /// `openssl x509 -req` without extensions: version 1, a CN, no SAN. rcgen makes only version 3, so
    /// the version field and the extensions are cut out of its certificate; nobody checks the signature.
    #[test]
    fn a_version_1_certificate_is_served() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "www.example.com");
        let certificate = params.self_signed(&key).expect("a certificate");
        let pem = version_1(certificate.der());
        let secret = secret(&[("tls.crt", pem), ("tls.key", key.serialize_pem())]);
        let loaded = load(&secret, None).expect("version 1 must be served");
        assert_eq!(loaded.names, ["www.example.com"]);
    }

    fn version_1(der: &[u8]) -> String {
        let (_, parsed) = X509Certificate::from_der(der).expect("rcgen's certificate");
        let tbs = parsed.tbs_certificate.as_ref();
        let whole = &tbs[header_length(tbs)..];
        // [0] EXPLICIT version: five bytes; [3] EXPLICIT extensions: the rest after the public key.
        let raw_key = parsed.tbs_certificate.subject_pki.raw;
        let end = whole
            .windows(raw_key.len())
            .position(|part| part == raw_key)
            .expect("the public key")
            + raw_key.len();
        let body = sequence(&whole[5..end]);
        let rest = &der[header_length(der)..][tbs.len()..];
        let encoded = STANDARD.encode(sequence(&[&body[..], rest].concat()));
        format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n")
    }

    fn header_length(der: &[u8]) -> usize {
        match der[1] {
            length if length < 0x80 => 2,
            length => 2 + usize::from(length & 0x7f),
        }
    }

    fn sequence(content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("a short certificate");
        let mut out = vec![0x30, 0x82];
        out.extend(length.to_be_bytes());
        out.extend(content);
        out
    }
}
