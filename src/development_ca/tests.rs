use super::*;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::{ServerName, UnixTime};

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn issue(ca: &mut DevelopmentCa, wanted: &[&str]) -> Arc<CertifiedKey> {
    let wanted = names(wanted);
    ca.prepare([&wanted].into_iter()).expect("stored");
    ca.issue(&wanted).expect("issued")
}

/// Whether a client that trusts `authority` accepts a certificate for a host.
fn is_accepted(authority: &CertificateDer<'static>, pair: &CertifiedKey, host: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).expect("a trust anchor");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
    let verifier = verifier.build().expect("a verifier");
    let host = ServerName::try_from(host.to_owned()).expect("a server name");
    let leaf = pair.cert.first().expect("a leaf");
    let verified = verifier.verify_server_cert(leaf, &[], &host, &[], UnixTime::now());
    verified.is_ok()
}

#[test]
fn clients_that_trust_the_ca_accept_its_certificates() {
    let mut ca = DevelopmentCa::in_memory().expect("a CA");
    let pair = issue(&mut ca, &["shop.example.com", "*.wild.example.com"]);
    for (host, is_valid) in [
        ("shop.example.com", true),
        ("any.wild.example.com", true),
        ("two.labels.wild.example.com", false),
        ("other.example.com", false),
    ] {
        assert_eq!(
            is_accepted(ca.certificate(), &pair, host),
            is_valid,
            "{host}"
        );
    }
    let local = issue(&mut ca, &[]);
    for host in ["localhost", "127.0.0.1", "::1"] {
        assert!(is_accepted(ca.certificate(), &local, host), "{host}");
    }
}

#[test]
fn the_ca_is_constrained_to_the_names_it_has_issued_certificates_for() {
    let mut ca = DevelopmentCa::in_memory().expect("a CA");
    issue(&mut ca, &["shop.example.com"]);
    // Nothing was prepared for this name, as if the key had been stolen.
    let foreign = names(&["bank.example"]);
    let forged = ca.issue(&foreign).expect("signed");
    assert!(!is_accepted(ca.certificate(), &forged, "bank.example"));
}

#[test]
fn a_new_name_renews_the_certificate_of_the_ca_and_old_trust_keeps_old_names() {
    let mut ca = DevelopmentCa::in_memory().expect("a CA");
    issue(&mut ca, &["old.example"]);
    let trusted = ca.certificate().clone();
    issue(&mut ca, &["below.old.example"]);
    assert_eq!(*ca.certificate(), trusted, "a name below a permitted one");

    let both = issue(&mut ca, &["new.example"]);
    assert_ne!(*ca.certificate(), trusted);
    assert!(is_accepted(ca.certificate(), &both, "new.example"));
    assert!(!is_accepted(&trusted, &both, "new.example"));
    let old = issue(&mut ca, &["old.example"]);
    assert!(is_accepted(&trusted, &old, "old.example"));
    assert!(is_accepted(ca.certificate(), &old, "old.example"));
}

#[test]
fn the_same_names_have_the_same_certificate_while_they_are_wanted() {
    let mut ca = DevelopmentCa::in_memory().expect("a CA");
    let one = issue(&mut ca, &["shop.example"]);
    assert!(Arc::ptr_eq(&one, &issue(&mut ca, &["shop.example"])));
    issue(&mut ca, &[]);
    assert!(!Arc::ptr_eq(&one, &issue(&mut ca, &["shop.example"])));
}

#[test]
fn the_ca_is_stored_when_it_issues_its_first_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("state");
    let state = || StateDir::choose(Some(&folder)).expect("the given folder");
    let mut ca = DevelopmentCa::open(state()).expect("a CA");
    assert!(!folder.exists(), "nothing is stored yet");
    issue(&mut ca, &["shop.example"]);

    let mut reopened = DevelopmentCa::open(state()).expect("the stored CA");
    assert_eq!(reopened.certificate(), ca.certificate());
    let pair = issue(&mut reopened, &["shop.example"]);
    assert_eq!(reopened.certificate(), ca.certificate(), "still permitted");
    assert!(is_accepted(ca.certificate(), &pair, "shop.example"));

    let other = DevelopmentCa::in_memory()
        .expect("a CA")
        .authority
        .key_pem();
    state().write(KEY_FILE, &other).expect("written");
    let error = DevelopmentCa::open(state()).expect_err("another key");
    assert!(format!("{error:#}").contains("remove them"), "{error:#}");
}
