use super::*;
use rcgen::string::{BmpString, Ia5String};
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};
use rustls::crypto::ring::sign::any_supported_type;
use rustls_pki_types::PrivatePkcs8KeyDer;

fn ascii(text: &str) -> Ia5String {
    text.try_into().expect("ASCII")
}

fn certificate(
    names: Vec<SanType>,
    subject: &[(DnType, DnValue)],
) -> (KeyPair, CertificateDer<'static>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([]).expect("parameters");
    params.subject_alt_names = names;
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), value.clone());
    }
    let certificate = params.self_signed(&key).expect("a certificate");
    (key, certificate.der().clone())
}

fn text(value: &str) -> DnValue {
    DnValue::Utf8String(value.to_owned())
}

fn element(
    leaf: &CertificateDer<'static>,
    served: &[Arc<CertifiedKey>],
    details: CertificateDetails,
) -> String {
    let presented = ClientCertificate::new(std::slice::from_ref(leaf), served);
    let element = presented.and_then(|it| it.element(details));
    let element = element.expect("an element");
    element.to_str().expect("ASCII").to_owned()
}

fn hash(leaf: &CertificateDer<'_>) -> String {
    hexadecimal(digest(&SHA256, leaf).as_ref())
}

#[test]
fn the_details_are_in_the_order_of_envoy() {
    let names = vec![
        SanType::DnsName(ascii("a.example")),
        SanType::URI(ascii("spiffe://example/a")),
        SanType::DnsName(ascii("b.example")),
    ];
    let subject = [
        (DnType::CountryName, text("DE")),
        (DnType::CommonName, text("client")),
    ];
    let (_, leaf) = certificate(names, &subject);
    let (key, own) = certificate(vec![SanType::URI(ascii("spiffe://example/gateway"))], &[]);
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = any_supported_type(&key).expect("a key");
    let served = [Arc::new(CertifiedKey::new(vec![own], key))];
    let all = CertificateDetails {
        certificate: true,
        chain: true,
        subject: true,
        uris: true,
        dns_names: true,
    };
    let (hash, pem) = (hash(&leaf), escaped_pem(&leaf));
    let expected = format!(
        "By=spiffe://example/gateway;Hash={hash};Cert=\"{pem}\";Chain=\"{pem}\";Subject=\"CN=client,C=DE\";\
         URI=spiffe://example/a;DNS=a.example;DNS=b.example"
    );
    assert_eq!(element(&leaf, &served, all), expected);
    let none = CertificateDetails::default();
    assert_eq!(element(&leaf, &[], none), format!("Hash={hash}"));
}

/// The key `URI` is there without a URI, as in Envoy. `DNS` isn't.
#[test]
fn a_certificate_without_names_has_an_empty_uri() {
    let (_, leaf) = certificate(Vec::new(), &[]);
    let details = CertificateDetails {
        subject: true,
        uris: true,
        dns_names: true,
        ..CertificateDetails::default()
    };
    let expected = format!("Hash={};Subject=\"\";URI=", hash(&leaf));
    assert_eq!(element(&leaf, &[], details), expected);
}

#[test]
fn names_can_not_add_pairs_or_elements() {
    let names = vec![
        SanType::URI(ascii("urn:a;By=urn:admin,Hash=0")),
        SanType::URI(ascii("urn:\"quoted\\")),
        SanType::URI(ascii("urn:line\r\nX-Admin: 1")),
    ];
    let (_, leaf) = certificate(names, &[]);
    let details = CertificateDetails {
        uris: true,
        ..CertificateDetails::default()
    };
    let expected = format!(
        "Hash={};URI=\"urn:a;By=urn:admin,Hash=0\";URI=\"urn:\\\"quoted\\\\\"",
        hash(&leaf)
    );
    assert_eq!(element(&leaf, &[], details), expected);
}

/// The same certificates printed by `openssl x509 -nameopt RFC2253`.
#[test]
fn subjects_are_written_as_openssl_does() {
    let other = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99, 1]);
    for (subject, expected) in [
        (
            vec![
                (DnType::OrganizationName, text("Sue, Grabbit + Runn")),
                (DnType::OrganizationalUnitName, text("#1 \"<best>\"; ")),
                (DnType::CommonName, text("L. Eagle\\")),
            ],
            "CN=L. Eagle\\\\,OU=\\#1 \\\"\\<best\\>\\\"\\;\\ ,O=Sue\\, Grabbit \\+ Runn",
        ),
        (
            vec![(DnType::CommonName, text("Žofie\n"))],
            "CN=\\C5\\BDofie\\0A",
        ),
        (
            vec![(
                DnType::CommonName,
                DnValue::BmpString(BmpString::try_from("Žo").expect("a text")),
            )],
            "CN=\\C5\\BDo",
        ),
        (
            vec![(other, text("a")), (DnType::CommonName, text("b"))],
            "CN=b,1.3.6.1.4.1.99.1=#0C0161",
        ),
    ] {
        let (_, leaf) = certificate(Vec::new(), &subject);
        let (_, parsed) = X509Certificate::from_der(&leaf).expect("a certificate");
        assert_eq!(subject::in_rfc_2253(parsed.subject()), expected);
    }
}

#[test]
fn pem_has_the_escapes_and_lines_of_envoy() {
    let certificate = CertificateDer::from(vec![0xfb, 0xff, 0xfe, 0xfb]);
    let expected =
        "-----BEGIN%20CERTIFICATE-----%0A%2B%2F%2F%2B%2Bw%3D%3D%0A-----END%20CERTIFICATE-----%0A";
    assert_eq!(escaped_pem(&certificate), expected);
    let long = escaped_pem(&CertificateDer::from(vec![0; 96]));
    let lines: Vec<&str> = long.split("%0A").collect();
    let lengths: Vec<usize> = lines.iter().map(|line| line.len()).collect();
    assert_eq!(lengths, [29, 64, 64, 27, 0]);
}
