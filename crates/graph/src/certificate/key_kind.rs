//! Names the kind and size of a key, for messages about keys that can't be used.

use rustls_pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::{Any, Class, FromDer, Oid, Tag};
use x509_parser::x509::SubjectPublicKeyInfo;

/// Returns the kind of a key, such as "an RSA key of 1024 bits", or `None` if the key can't be parsed.
pub(super) fn private_key(key: &PrivateKeyDer<'_>) -> Option<String> {
    match key {
        PrivateKeyDer::Pkcs1(key) => rsa(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => {
            let parts = sequence(key.secret_sec1_der())?;
            let is_curve =
                |part: &&Any<'_>| part.class() == Class::ContextSpecific && part.tag() == Tag(0);
            let (_, curve) = Any::from_der(parts.iter().find(is_curve)?.data).ok()?;
            Some(elliptic(&oid(&curve)?))
        }
        PrivateKeyDer::Pkcs8(key) => pkcs_8(key.secret_pkcs8_der()),
        _ => None,
    }
}

/// RFC 5958: a version, the algorithm, and the key in the algorithm's encoding.
fn pkcs_8(der: &[u8]) -> Option<String> {
    let parts = sequence(der)?;
    let algorithm = elements(parts.get(1)?.data)?;
    let name = oid(algorithm.first()?)?;
    Some(match name.as_str() {
        "1.2.840.113549.1.1.1" => rsa(parts.get(2)?.data)?,
        "1.2.840.113549.1.1.10" => "an RSA key for PSS signatures only".to_owned(),
        "1.2.840.10045.2.1" => elliptic(&oid(algorithm.get(1)?)?),
        "1.2.840.10040.4.1" => "a DSA key".to_owned(),
        "1.3.101.110" | "1.3.101.111" => "a key for key exchange, which can't sign".to_owned(),
        "1.3.101.113" => "an Ed448 key".to_owned(),
        other => format!("a key of the algorithm {other}"),
    })
}

/// Returns the kind of a public key if signatures made with its private key can't be verified, because rustls has no
/// algorithm for them.
pub(super) fn unverifiable(key: &SubjectPublicKeyInfo<'_>) -> Option<String> {
    let algorithm = &key.algorithm;
    let kind = match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => {
            let parts = sequence(&key.subject_public_key.data)?;
            let bits = bits(parts.first()?.data)?;
            (!(2048..=8192).contains(&bits)).then(|| format!("an RSA key of {bits} bits"))?
        }
        "1.2.840.10045.2.1" => match oid(algorithm.parameters.as_ref()?)?.as_str() {
            "1.2.840.10045.3.1.7" | "1.3.132.0.34" => return None,
            curve => elliptic(curve),
        },
        "1.3.101.112" => return None,
        "1.3.101.113" => "an Ed448 key".to_owned(),
        other => format!("a key of the algorithm {other}"),
    };
    Some(kind)
}

/// RFC 8017: a version, then the modulus.
fn rsa(der: &[u8]) -> Option<String> {
    let parts = sequence(der)?;
    let bits = bits(parts.get(1)?.data)?;
    Some(format!("an RSA key of {bits} bits"))
}

fn bits(modulus: &[u8]) -> Option<usize> {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = modulus.get(zeros..)?;
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}

fn elliptic(curve: &str) -> String {
    let name = match curve {
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.132.0.33" => "P-224",
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        other => other,
    };
    format!("an ECDSA key on the curve {name}")
}

fn oid(any: &Any<'_>) -> Option<String> {
    (any.tag() == Tag::Oid).then(|| Oid::new(any.data.into()).to_id_string())
}

/// Returns the elements of a sequence.
fn sequence(der: &[u8]) -> Option<Vec<Any<'_>>> {
    let (_, any) = Any::from_der(der).ok()?;
    elements((any.tag() == Tag::Sequence).then_some(any.data)?)
}

/// Returns the elements that are encoded one after another.
fn elements(mut der: &[u8]) -> Option<Vec<Any<'_>>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (rest, any) = Any::from_der(der).ok()?;
        found.push(any);
        der = rest;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use x509_parser::prelude::X509Certificate;

    #[test]
    fn names_kind_and_size_of_usable_keys() {
        let algorithm = &rcgen::PKCS_ECDSA_P384_SHA384;
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let der = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS #8");
        let expected = "an ECDSA key on the curve P-384";
        assert_eq!(private_key(&der).as_deref(), Some(expected));
        for algorithm in [algorithm, &rcgen::PKCS_ED25519] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let made = CertificateParams::default().self_signed(&key);
            let made = made.expect("a certificate");
            let (_, parsed) = X509Certificate::from_der(made.der()).expect("parsed");
            assert_eq!(unverifiable(parsed.public_key()), None);
        }
    }

    #[test]
    fn counts_bits_of_a_modulus_without_leading_zeros() {
        assert_eq!(bits(&[0, 0x80, 0]), Some(16));
        assert_eq!(bits(&[0x01, 0]), Some(9));
        assert_eq!(bits(&[]), None);
    }

    #[test]
    fn returns_none_for_bytes_that_are_no_key() {
        for bytes in [
            &[][..],
            &[0x30, 0x00],
            &[0x30, 0x82, 0xff],
            &[0x02, 0x01, 0x00],
        ] {
            assert_eq!(pkcs_8(bytes), None, "{bytes:?}");
            assert_eq!(rsa(bytes), None, "{bytes:?}");
        }
    }
}
