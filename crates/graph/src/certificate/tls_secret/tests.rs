use super::*;
use gatefold_diagnostic::{Document, Source};
use gatefold_manifest::api::{ObjectMeta, SecretFields};
use rcgen::{CertificateParams, Issuer, KeyPair};
use std::collections::BTreeMap;

fn secret(entries: &[(&str, String)]) -> Secret {
    let string_data = entries
        .iter()
        .map(|(name, text)| ((*name).to_owned(), SecretText::new(text.clone())))
        .collect();
    Secret {
        api_version: "v1".into(),
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
fn reads_names_from_the_subject_alternative_name() {
    let (certificate, key) = pair(&["WWW.example.com", "*.example.org"]);
    let secret = secret(&[("tls.crt", certificate), ("tls.key", key.serialize_pem())]);
    let loaded = load(&secret).expect("a good pair");
    assert_eq!(loaded.names, ["www.example.com", "*.example.org"]);
}

#[test]
fn decodes_wrapped_base64_of_data() {
    let (certificate, key) = pair(&["a.example"]);
    let mut secret = secret(&[("tls.key", key.serialize_pem())]);
    let mut encoded = STANDARD.encode(certificate);
    encoded.insert(40, '\n');
    let entry = ("tls.crt".to_owned(), SecretText::new(encoded));
    secret.spec.data.extend([entry]);
    assert!(load(&secret).is_ok(), "wrapped base64 must be read");
    let broken = ("tls.crt".to_owned(), SecretText::new("%%%"));
    secret.spec.data.extend([broken]);
    let problem = load(&secret).err();
    assert_eq!(problem, Some(CertificateProblem::NotBase64("tls.crt")));
}

#[test]
fn refuses_a_key_of_another_certificate() {
    let (certificate, _) = pair(&["a.example"]);
    let (_, other) = pair(&["a.example"]);
    let secret = secret(&[("tls.crt", certificate), ("tls.key", other.serialize_pem())]);
    assert_eq!(load(&secret).err(), Some(CertificateProblem::KeyMismatch));
}

#[test]
fn names_the_missing_entry_or_block() {
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
        let problem = load(&secret).map(|_| ()).map_err(|p| p.to_string());
        assert_eq!(problem, Err(expected.to_owned()));
    }
}

#[test]
fn loads_an_expired_certificate_with_a_warning() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let secret = secret(&[("tls.crt", certificate), ("tls.key", key.serialize_pem())]);
    let now = time::macros::datetime!(2026-01-01 0:00 UTC);
    let loaded = load(&secret).expect("it is served");
    assert!(
        matches!(
            &loaded.warnings(Some(now))[..],
            [CertificateWarning::Expired(_)]
        ),
        "{:?}",
        loaded.warnings(Some(now))
    );
}

/// `openssl x509 -req` without extensions creates version 1 with a common name and no subjectAltName. rcgen creates
/// version 3 only, so this test removes the version field and the extensions. Loading doesn't check the signature.
#[test]
fn loads_a_version_1_certificate() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "www.example.com");
    let certificate = params.self_signed(&key).expect("a certificate");
    let pem = version_1(certificate.der());
    let secret = secret(&[("tls.crt", pem), ("tls.key", key.serialize_pem())]);
    let loaded = load(&secret).expect("version 1 must be served");
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

fn authority() -> (rcgen::Certificate, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let name = (rcgen::DnType::CommonName, "authority");
    params.distinguished_name.push(name.0, name.1);
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate, Issuer::new(params, key))
}

#[test]
fn reports_a_chain_in_the_wrong_order() {
    let (authority, issuer) = authority();
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
    let leaf = params
        .signed_by(&key, &issuer)
        .expect("a certificate")
        .pem();
    let load_chain = |parts: &[&str]| {
        load(&secret(&[
            ("tls.crt", parts.concat()),
            ("tls.key", key.serialize_pem()),
        ]))
    };
    let authority = authority.pem();
    let loaded = load_chain(&[&leaf, &authority]).expect("the right order");
    assert_eq!(loaded.warnings(None), []);
    let (position, count) = (2, 2);
    assert_eq!(
        load_chain(&[&authority, &leaf]).err(),
        Some(CertificateProblem::LeafNotFirst { position, count })
    );
    let (stranger, _) = pair(&["b.example"]);
    let loaded = load_chain(&[&leaf, &stranger, &authority]).expect("it is served");
    assert_eq!(loaded.warnings(None), [CertificateWarning::ChainOrder(2)]);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let loaded = load_chain(&[&leaf, broken]).expect("it is served");
    let expected = [CertificateWarning::UnparsableIssuer(2)];
    assert_eq!(loaded.warnings(None), expected);
}

#[test]
fn reports_swapped_entries() {
    let (certificate, key) = pair(&["a.example"]);
    let secret = secret(&[("tls.key", certificate), ("tls.crt", key.serialize_pem())]);
    assert_eq!(load(&secret).err(), Some(CertificateProblem::Swapped));
}

#[test]
fn describes_a_certificate_by_its_name_and_expiry() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
    params.not_after = rcgen::date_time_ymd(2030, 2, 3);
    let certificate = params.self_signed(&key).expect("a certificate");
    let one = certificate.der().clone();
    let text = "`a.example`, valid until 2030-02-03";
    assert_eq!(in_words(std::slice::from_ref(&one)), text);
    let many = in_words(&vec![one; 5]);
    assert_eq!(many, format!("{text}; {text}; {text}; 2 more"));
}
