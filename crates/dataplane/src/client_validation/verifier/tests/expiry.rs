//! `allowExpiredCertificate`.

use super::*;

#[test]
fn expired_certificates_are_admitted_only_on_request() {
    let (root, other) = (Signer::root(), Signer::root());
    let requirements = ClientRequirements {
        expiry: Expiry::Ignored,
        ..trusting(&root)
    };
    let expired = (NOW - 3, NOW - 2);
    assert!(admits(&requirements, &[root.sign(&client(expired))]));
    assert!(admits(&requirements, &[root.sign(&client(VALID))]));
    let intermediate = root.intermediate((NOW - 9, NOW - 4));
    let together = intermediate.sign(&client((NOW - 8, NOW - 2)));
    let chain = [together, intermediate.certificate.clone()];
    assert!(admits(&requirements, &chain), "an expired issuer");
    let apart = intermediate.sign(&client(expired));
    let chain = [apart, intermediate.certificate.clone()];
    assert!(!admits(&requirements, &chain), "never valid together");
    for (what, certificate) in [
        ("another authority", other.sign(&client(expired))),
        ("not yet valid", root.sign(&client((NOW + 2, NOW + 3)))),
    ] {
        assert!(!admits(&requirements, &[certificate]), "{what}");
    }
}

/// Only what was valid together counts, and a client may send what isn't needed.
#[test]
fn an_older_certificate_that_is_not_needed_does_not_matter() {
    let root = Signer::root();
    let requirements = ClientRequirements {
        expiry: Expiry::Ignored,
        ..trusting(&root)
    };
    let leaf = root.sign(&client((NOW - 3, NOW - 2)));
    let unneeded = root.sign(&client((NOW - 9, NOW - 8)));
    assert!(admits(&requirements, &[leaf, unneeded]));
}

/// That expired certificates pass says nothing about revoked ones.
#[test]
fn an_expired_list_refuses_although_expired_certificates_pass() {
    let root = Signer::root();
    let with = |until| ClientRequirements {
        expiry: Expiry::Ignored,
        revocation: Some(Revocation {
            lists: vec![root.list(&[7], until)],
            depth: RevocationDepth::Chain,
        }),
        ..trusting(&root)
    };
    let expired = root.sign(&client((NOW - 5, NOW - 3)));
    let current = root.sign(&numbered(8));
    for (until, expected) in [(NOW + 1, true), (NOW - 1, false)] {
        let requirements = with(until);
        assert_eq!(
            admits(&requirements, std::slice::from_ref(&expired)),
            expected
        );
        assert_eq!(
            admits(&requirements, std::slice::from_ref(&current)),
            expected
        );
        let verifier = Verifier::new(&requirements).expect("requirements");
        let chain = std::slice::from_ref(&current);
        assert_eq!(verifier.is_still_valid(chain, now()), expected);
    }
    let mut revoked = client((NOW - 5, NOW - 3));
    revoked.serial_number = Some(SerialNumber::from(7));
    assert!(!admits(&with(NOW + 1), &[root.sign(&revoked)]));
}
