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

#[test]
fn processes_with_the_same_folder_have_one_ca_with_the_names_of_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("state");
    let open = || {
        let state = StateDir::choose(Some(&folder)).expect("the given folder");
        DevelopmentCa::open(state).expect("a CA")
    };
    let (mut one, mut other) = (open(), open());
    let first = issue(&mut one, &["one.example"]);
    let second = issue(&mut other, &["other.example"]);
    issue(&mut one, &["later.example"]);
    let stored = open();
    for (pair, host) in [(&first, "one.example"), (&second, "other.example")] {
        assert!(is_accepted(stored.certificate(), pair, host), "{host}");
    }

    std::fs::remove_dir_all(&folder).expect("removed");
    let again = issue(&mut one, &["later.example"]);
    assert!(is_accepted(open().certificate(), &again, "later.example"));
}

#[test]
fn a_ca_without_wanted_certificates_stores_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("state");
    let state = StateDir::choose(Some(&folder)).expect("the given folder");
    let mut ca = DevelopmentCa::open(state).expect("a CA");
    ca.prepare(std::iter::empty()).expect("nothing to do");
    assert!(!folder.exists());
}

#[test]
fn a_ca_that_expires_soon_is_renewed_with_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = || StateDir::choose(Some(folder.path())).expect("the given folder");
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .expect("changed");
    let long_ago = OffsetDateTime::now_utc() - time::Duration::days(800);
    let old = SigningAuthority::new(names(&["shop.example"]), long_ago).expect("a CA");
    state().write(KEY_FILE, &old.key_pem()).expect("written");
    let certificate = old.certificate_pem();
    state()
        .write(CERTIFICATE_FILE, certificate)
        .expect("written");

    let mut ca = DevelopmentCa::open(state()).expect("a CA");
    let pair = issue(&mut ca, &["shop.example"]);
    assert_ne!(ca.certificate(), old.certificate());
    assert!(is_accepted(old.certificate(), &pair, "shop.example"));
}

#[test]
fn clients_accept_a_certificate_with_a_thousand_names() {
    let mut ca = DevelopmentCa::in_memory().expect("a CA");
    let hosts = (0..1_000).map(|number| format!("host{number}.shop{}.example", number % 10));
    let wanted: BTreeSet<String> = hosts.collect();
    ca.prepare([&wanted].into_iter()).expect("prepared");
    let pair = ca.issue(&wanted).expect("issued");
    let host = "host999.shop9.example";
    assert!(is_accepted(ca.certificate(), &pair, host));
    let foreign = ca.issue(&names(&["other.example"])).expect("signed");
    assert!(!is_accepted(ca.certificate(), &foreign, "other.example"));
}
