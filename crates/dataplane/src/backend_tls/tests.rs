use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority {
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

fn accepts(authority: &Authority, names: &[SubjectName], certificate: &CertificateDer<'_>) -> bool {
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
    let authority = Authority::new();
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
    let other = Authority::new().issue(&["www.example.com"], "");
    assert!(
        !accepts(&authority, &[], &other),
        "accepted the signature of another authority"
    );
}

#[test]
fn certificate_must_have_a_listed_name_and_the_server_name_does_not_count() {
    let authority = Authority::new();
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
    let other = Authority::new().issue(&["api.example.org"], "");
    assert!(
        !accepts(&authority, &names, &other),
        "accepted the signature of another authority"
    );
}

#[test]
fn different_settings_have_different_keys() {
    let (one, other) = (Authority::new(), Authority::new());
    let listed = |it: &Authority| Authorities::Listed([it.certificate.clone()].into());
    let key = |name: &str, authority: &Authority, names: &[SubjectName]| {
        BackendTls::key(&dns(name), &listed(authority), names, None)
    };
    let all = [
        key("a.example", &one, &[]),
        key("b.example", &one, &[]),
        key("a.example", &other, &[]),
        key("a.example", &one, &[SubjectName::Uri("x://y".to_owned())]),
    ];
    let different: std::collections::BTreeSet<u64> = all.into_iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(all[0], key("a.example", &one, &[]));
}
