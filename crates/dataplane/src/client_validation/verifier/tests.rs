mod expiry;

use super::super::{ClientMode, SubjectAltNameKind};
use super::*;
use crate::text_pattern::TextPattern;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, OtherNameValue, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls_pki_types::CertificateRevocationListDer;
use std::time::Duration;
use time::OffsetDateTime;
use x509_parser::der_parser::oid;

const DAY: u64 = 24 * 60 * 60;
/// The time of the tests, in days since 1970.
const NOW: u64 = 20_000;

/// An authority, or an intermediate one.
struct Signer {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn at(day: u64) -> OffsetDateTime {
    let seconds = i64::try_from(day * DAY).expect("a time");
    OffsetDateTime::from_unix_timestamp(seconds).expect("a time")
}

fn now() -> UnixTime {
    time_at(NOW)
}

fn time_at(day: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(day * DAY))
}

/// A certificate for `client` that is valid from the first to the last day.
fn client(days: (u64, u64)) -> CertificateParams {
    let mut params = CertificateParams::new(["client".to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (at(days.0), at(days.1));
    params
}

fn authority(days: (u64, u64)) -> CertificateParams {
    let mut params = client(days);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Signer {
    fn root() -> Self {
        let (params, key) = (authority((NOW - 100, NOW + 100)), key());
        let certificate = params.self_signed(&key).expect("a certificate");
        Signer {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn intermediate(&self, days: (u64, u64)) -> Self {
        let (mut params, key) = (authority(days), key());
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "intermediate");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signer {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, params: &CertificateParams) -> CertificateDer<'static> {
        let certificate = params.signed_by(&key(), &self.issuer);
        certificate.expect("a certificate").der().clone()
    }

    /// A list that revokes certificates, valid until a day.
    fn list(&self, revoked: &[u64], until: u64) -> CertificateRevocationListDer<'static> {
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: at(NOW - 10),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: at(NOW - 20),
            next_update: at(until),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a list");
        list.der().clone()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn trusting(root: &Signer) -> ClientRequirements {
    ClientRequirements {
        authorities: vec![root.certificate.clone()],
        ..ClientRequirements::default()
    }
}

fn admits(requirements: &ClientRequirements, chain: &[CertificateDer<'_>]) -> bool {
    let verifier = Verifier::new(requirements).expect("requirements that can be met");
    let (leaf, intermediates) = chain.split_first().expect("a certificate");
    let verified = verifier.verify_client_cert(leaf, intermediates, now());
    verified.is_ok()
}

const VALID: (u64, u64) = (NOW - 1, NOW + 1);

#[test]
fn only_current_certificates_of_the_authority_are_valid() {
    let (root, other) = (Signer::root(), Signer::root());
    let requirements = trusting(&root);
    assert!(admits(&requirements, &[root.sign(&client(VALID))]));
    let self_signed = client(VALID).self_signed(&key()).expect("a certificate");
    for (what, certificate) in [
        (
            "another authority of the same name",
            other.sign(&client(VALID)),
        ),
        ("expired", root.sign(&client((NOW - 3, NOW - 2)))),
        ("not yet valid", root.sign(&client((NOW + 2, NOW + 3)))),
        ("self-signed", self_signed.der().clone()),
    ] {
        assert!(!admits(&requirements, &[certificate]), "{what}");
    }
    let intermediate = root.intermediate(VALID);
    let chain = [
        intermediate.sign(&client(VALID)),
        intermediate.certificate.clone(),
    ];
    assert!(admits(&requirements, &chain));
    assert!(!admits(&requirements, &chain[..1]), "without its issuer");
}

#[test]
fn modes_without_verification_admit_any_certificate() {
    let (root, other) = (Signer::root(), Signer::root());
    let expired = other.sign(&client((NOW - 3, NOW - 2)));
    for (mode, requires) in [
        (ClientMode::Request, false),
        (ClientMode::RequireAny, true),
        (ClientMode::VerifyIfGiven, false),
        (ClientMode::RequireAndVerify, true),
    ] {
        let requirements = ClientRequirements {
            mode,
            ..trusting(&root)
        };
        let verifier = Verifier::new(&requirements).expect("requirements");
        assert_eq!(verifier.client_auth_mandatory(), requires, "{mode:?}");
        let admitted = admits(&requirements, std::slice::from_ref(&expired));
        assert_eq!(admitted, !mode.verifies(), "{mode:?}");
    }
}

/// As in Envoy, whose lists of names and digests always require a certificate.
#[test]
fn names_and_digests_require_a_certificate() {
    let root = Signer::root();
    let requirements = ClientRequirements {
        mode: ClientMode::VerifyIfGiven,
        digests: vec![CertificateDigest::Certificate([0; 32])],
        ..trusting(&root)
    };
    assert!(requirements.require_certificate());
}

#[test]
fn a_mode_that_verifies_needs_an_authority() {
    for (mode, possible) in [
        (ClientMode::Request, true),
        (ClientMode::RequireAny, true),
        (ClientMode::VerifyIfGiven, false),
        (ClientMode::RequireAndVerify, false),
    ] {
        let requirements = ClientRequirements {
            mode,
            ..ClientRequirements::default()
        };
        assert_eq!(requirements.check().is_ok(), possible, "{mode:?}");
    }
}

fn numbered(serial: u64) -> CertificateParams {
    let mut params = client(VALID);
    params.serial_number = Some(SerialNumber::from(serial));
    params
}

#[test]
fn revoked_certificates_are_refused() {
    let root = Signer::root();
    let with = |list| ClientRequirements {
        revocation: Some(Revocation {
            lists: vec![list],
            depth: RevocationDepth::Chain,
        }),
        ..trusting(&root)
    };
    let requirements = with(root.list(&[7], NOW + 1));
    assert!(admits(&requirements, &[root.sign(&numbered(8))]));
    assert!(!admits(&requirements, &[root.sign(&numbered(7))]));
    for (what, list) in [
        ("an expired list", root.list(&[7], NOW - 1)),
        (
            "a list of another issuer",
            Signer::root().list(&[7], NOW + 1),
        ),
    ] {
        assert!(!admits(&with(list), &[root.sign(&numbered(8))]), "{what}");
    }
}

#[test]
fn the_whole_chain_is_looked_up_unless_only_the_leaf_counts() {
    let root = Signer::root();
    let intermediate = root.intermediate(VALID);
    let chain = [
        intermediate.sign(&numbered(8)),
        intermediate.certificate.clone(),
    ];
    let requirements = |depth, lists| ClientRequirements {
        revocation: Some(Revocation { lists, depth }),
        ..trusting(&root)
    };
    let of_leaf = || vec![intermediate.list(&[7], NOW + 1)];
    let of_both = || vec![intermediate.list(&[7], NOW + 1), root.list(&[], NOW + 1)];
    let of_chain = requirements(RevocationDepth::Chain, of_leaf());
    assert!(!admits(&of_chain, &chain), "the issuer has no list");
    let of_chain = requirements(RevocationDepth::Chain, of_both());
    assert!(admits(&of_chain, &chain));
    let of_leaf = requirements(RevocationDepth::Leaf, of_leaf());
    assert!(admits(&of_leaf, &chain));
    let revoked = [
        intermediate.sign(&numbered(7)),
        intermediate.certificate.clone(),
    ];
    assert!(!admits(&of_leaf, &revoked));
}

#[test]
fn one_digest_of_the_certificate_or_of_its_key_is_enough() {
    let root = Signer::root();
    let certificate = root.sign(&client(VALID));
    let (_, parsed) = X509Certificate::from_der(&certificate).expect("a certificate");
    let sha256 = |bytes: &[u8]| {
        digest(&SHA256, bytes)
            .as_ref()
            .try_into()
            .expect("32 bytes")
    };
    let of_certificate = CertificateDigest::Certificate(sha256(&certificate));
    let of_key = CertificateDigest::PublicKey(sha256(parsed.public_key().raw));
    let other = CertificateDigest::Certificate([0; 32]);
    for (digests, expected) in [
        (vec![other, of_certificate], true),
        (vec![of_key], true),
        (vec![other], false),
    ] {
        let requirements = ClientRequirements {
            digests: digests.clone(),
            ..trusting(&root)
        };
        let chain = std::slice::from_ref(&certificate);
        assert_eq!(admits(&requirements, chain), expected, "{digests:?}");
    }
    let untrusted = ClientRequirements {
        digests: vec![of_certificate],
        ..trusting(&Signer::root())
    };
    assert!(
        !admits(&untrusted, std::slice::from_ref(&certificate)),
        "a digest is no authority"
    );
}

#[test]
fn one_name_of_the_right_kind_is_enough() {
    let root = Signer::root();
    let mut params = client(VALID);
    let text = |text: &str| text.try_into().expect("ASCII");
    let oid = vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
    params.subject_alt_names = vec![
        SanType::DnsName(text("*.clients.example")),
        SanType::Rfc822Name(text("a@clients.example")),
        SanType::URI(text("spiffe://clients.example/a")),
        SanType::IpAddress("2001:db8::1".parse().expect("an address")),
        SanType::OtherName((oid, OtherNameValue::Utf8String("user@corp".to_owned()))),
    ];
    let chain = [root.sign(&params)];
    let (exact, prefix) = (
        |text: &str| TextPattern::Exact(text.to_owned()),
        |text: &str| TextPattern::Prefix(text.to_owned()),
    );
    use SubjectAltNameKind::{Dns, Email, Ip, Other, Uri};
    for (kind, pattern, expected) in [
        (Dns, exact("A.clients.example"), true),
        (Dns, exact("a.b.clients.example"), false),
        (Dns, prefix("*.clients"), true),
        (Email, exact("a@clients.example"), true),
        (Email, exact("A@clients.example"), false),
        (Uri, prefix("spiffe://clients.example/"), true),
        (Uri, exact("a@clients.example"), false),
        (Dns, exact("spiffe://clients.example/a"), false),
        (Ip, exact("2001:db8::1"), true),
        (Ip, exact("2001:db8::2"), false),
        (
            Other(oid!(1.3.6.1.4.1.311.20.2.3)),
            exact("user@corp"),
            true,
        ),
        (
            Other(oid!(1.3.6.1.4.1.311.20.2.4)),
            exact("user@corp"),
            false,
        ),
    ] {
        let name = SubjectAltName { kind, pattern };
        let requirements = ClientRequirements {
            names: vec![name.clone()],
            ..trusting(&root)
        };
        assert_eq!(admits(&requirements, &chain), expected, "{name}");
    }
    let mut nameless = client(VALID);
    nameless.subject_alt_names.clear();
    let requirements = ClientRequirements {
        names: vec![SubjectAltName {
            kind: Dns,
            pattern: prefix(""),
        }],
        ..trusting(&root)
    };
    assert!(!admits(&requirements, &[root.sign(&nameless)]));
}

/// A resumed session isn't verified in its handshake.
#[test]
fn time_ends_the_sessions_of_certificates_and_lists() {
    let root = Signer::root();
    let requirements = ClientRequirements {
        revocation: Some(Revocation {
            lists: vec![root.list(&[], NOW + 5)],
            depth: RevocationDepth::Chain,
        }),
        ..trusting(&root)
    };
    let long = [root.sign(&client((NOW - 1, NOW + 9)))];
    let short = [root.sign(&client((NOW - 1, NOW + 3)))];
    let verifier = Verifier::new(&requirements).expect("requirements");
    for (chain, day, expected) in [
        (&long, NOW, true),
        (&short, NOW, true),
        (&long, NOW + 4, true),
        (&short, NOW + 4, false),
        (&long, NOW + 6, false),
    ] {
        let valid = verifier.is_still_valid(chain, time_at(day));
        assert_eq!(valid, expected, "{day}");
    }
    assert!(!verifier.is_still_valid(&[], now()), "no certificate");
    // An expired certificate that isn't needed doesn't matter.
    let [leaf] = long;
    let chain = [leaf, root.sign(&client((NOW - 3, NOW - 2)))];
    assert!(verifier.is_still_valid(&chain, now()));
}
