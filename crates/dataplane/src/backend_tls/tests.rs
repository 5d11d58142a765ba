//! Verification of backend certificates.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

struct TestAuthority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl TestAuthority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        TestAuthority {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, names: &[&str], uri: &str) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        if !uri.is_empty() {
            let uri = SanType::URI(uri.try_into().expect("ASCII"));
            params.subject_alt_names.push(uri);
        }
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer);
        signed.expect("a certificate").der().clone()
    }
}

fn accepts(
    authority: &TestAuthority,
    names: &[SubjectName],
    certificate: &CertificateDer<'_>,
) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).expect("an anchor");
    let provider = ring::default_provider();
    let verifier = Verifier {
        roots,
        names: names.into(),
        algorithms: provider.signature_verification_algorithms,
    };
    let asked = dns("www.example.com");
    let now = UnixTime::now();
    verifier
        .verify_server_cert(certificate, &[], &asked, &[], now)
        .is_ok()
}

fn dns(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).expect("a name")
}

#[test]
fn certificate_must_have_the_server_name_if_no_names_are_listed() {
    let authority = TestAuthority::new();
    assert!(accepts(
        &authority,
        &[],
        &authority.issue(&["www.example.com"], "")
    ));
    assert!(accepts(
        &authority,
        &[],
        &authority.issue(&["*.example.com"], "")
    ));
    assert!(!accepts(
        &authority,
        &[],
        &authority.issue(&["example.com"], "")
    ));
    let other = TestAuthority::new().issue(&["www.example.com"], "");
    assert!(
        !accepts(&authority, &[], &other),
        "accepted the signature of another authority"
    );
}

#[test]
fn certificate_must_have_a_listed_name_and_the_server_name_does_not_count() {
    let authority = TestAuthority::new();
    let names = [
        SubjectName::Dns(dns("api.example.org")),
        SubjectName::DnsBelow("internal".to_owned()),
        SubjectName::Uri("spiffe://example.com/shop".to_owned()),
    ];
    let issue = |dns: &[&str], uri: &str| authority.issue(dns, uri);
    assert!(!accepts(
        &authority,
        &names,
        &issue(&["www.example.com"], "")
    ));
    assert!(accepts(
        &authority,
        &names,
        &issue(&["api.example.org"], "")
    ));
    assert!(accepts(&authority, &names, &issue(&["a.b.internal"], "")));
    assert!(!accepts(&authority, &names, &issue(&["internal"], "")));
    assert!(!accepts(&authority, &names, &issue(&["ainternal"], "")));
    assert!(accepts(
        &authority,
        &names,
        &issue(&[], "spiffe://example.com/shop")
    ));
    let longer = issue(&[], "spiffe://example.com/shop/else");
    assert!(!accepts(&authority, &names, &longer));
    let other = TestAuthority::new().issue(&["api.example.org"], "");
    assert!(
        !accepts(&authority, &names, &other),
        "accepted the signature of another authority"
    );
}

#[test]
fn settings_are_equal_only_if_every_part_is() {
    let (one, other) = (TestAuthority::new(), TestAuthority::new());
    let settings =
        |name: &str, authority: &TestAuthority, names: &[SubjectName]| BackendHandshake {
            server_name: dns(name),
            authorities: TrustedAuthorities::Listed([authority.certificate.clone()].into()),
            names: names.into(),
            identity: None,
        };
    let first = settings("a.example", &one, &[]);
    assert_eq!(first, settings("a.example", &one, &[]));
    assert_ne!(first, settings("b.example", &one, &[]));
    assert_ne!(first, settings("a.example", &other, &[]));
    let uri = SubjectName::Uri("x://y".to_owned());
    assert_ne!(first, settings("a.example", &one, &[uri]));
}

#[test]
fn prepared_settings_have_distinct_ids() {
    let authority = TestAuthority::new();
    let prepare = || {
        let prepared = BackendTls::new(BackendHandshake {
            server_name: dns("a.example"),
            authorities: TrustedAuthorities::Listed([authority.certificate.clone()].into()),
            names: [].into(),
            identity: None,
        });
        prepared.expect("a trust anchor").id
    };
    assert_ne!(prepare(), prepare());
}
