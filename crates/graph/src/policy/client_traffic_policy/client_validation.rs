//! `tls.clientValidation` of a ClientTrafficPolicy.
//!
//! In: the policy, and the ConfigMaps and Secrets that it refers to. Out: what is required of clients; or why that isn't possible,
//! and then the policy's targets are closed. The last good authorities of an object stay in force, its last good lists of revoked
//! certificates don't.

use super::shortfall::Shortfall;
use super::text_pattern::{self, Case};
use crate::Build;
use crate::certificate::client_validation::{ClientValidationNode, ValidationSource};
use crate::certificate::{self, CertificateReference};
use crate::condition::{Problem, Reason};
use crate::reference::{ReferenceField, ReferenceScope};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatefold_dataplane::client_validation::{
    CertificateDigest, ClientMode, ClientRequirements, Expiry, Revocation, RevocationDepth,
    SubjectAltName, SubjectAltNameKind,
};
use gatefold_diagnostic::{Code, Pointer, Severity};
use gatefold_manifest::api::{
    ClientTrafficPolicy, ClientValidationContext, ClientValidationModeType, CrlContext,
    OtherSANMatch, SecretObjectReference, StringMatch, SubjectAltNames,
};
use std::str::FromStr;
use std::sync::Arc;
use x509_parser::der_parser::Oid;

const AUTHORITIES: ReferenceField = ReferenceField {
    role: "a CA certificate",
    supported: "a ConfigMap or a Secret",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (Code::UnsupportedCertificateKind, Reason::Invalid),
    not_found: (Code::CertificateNotFound, Reason::Invalid),
};

const REVOCATION_LISTS: ReferenceField = ReferenceField {
    role: "a list of revoked certificates",
    ..AUTHORITIES
};

/// The length of a SHA-256 digest in hexadecimal with a colon between the bytes.
const FINGERPRINT: usize = 95;

/// Returns what a policy requires of clients. `None` if it says nothing, or if that isn't possible, which is added to `shortfalls`.
pub(super) fn of(
    policy: &ClientTrafficPolicy,
    shortfalls: &mut Vec<Shortfall>,
    build: &mut Build<'_>,
) -> Option<Arc<ClientValidationNode>> {
    let fields = policy.spec.tls.as_ref()?.client_validation.as_ref()?;
    let mut reader = Reader {
        policy,
        at: Pointer::spec().key("tls").key("clientValidation"),
        shortfalls,
        build,
    };
    let requirements = reader.requirements(fields)?;
    Some(Arc::new(ClientValidationNode {
        source: ValidationSource::Policy(policy.key()),
        requirements,
    }))
}

/// Reads the fields, and collects what isn't possible.
struct Reader<'r, 'a> {
    policy: &'r ClientTrafficPolicy,
    at: Pointer,
    shortfalls: &'r mut Vec<Shortfall>,
    build: &'r mut Build<'a>,
}

impl Reader<'_, '_> {
    fn requirements(&mut self, fields: &ClientValidationContext) -> Option<ClientRequirements> {
        let closing = |it: &Reader<'_, '_>| {
            let closing = it.shortfalls.iter().filter(|it| it.effect.closes());
            closing.count()
        };
        let before = closing(self);
        let requirements = ClientRequirements {
            mode: mode(fields.mode()),
            authorities: self.authorities(&fields.ca_certificate_refs),
            expiry: match fields.allow_expired_certificate {
                Some(true) => Expiry::Ignored,
                Some(false) | None => Expiry::Enforced,
            },
            revocation: fields.crl.as_ref().map(|it| self.revocation(it)),
            digests: self.digests(fields),
            names: fields
                .subject_alt_names
                .as_ref()
                .map(|it| self.names(it))
                .unwrap_or_default(),
        };
        if closing(self) > before {
            return None;
        }
        self.check(&requirements)?;
        Some(requirements)
    }

    /// Reports what would make every handshake fail, and what has no effect.
    fn check(&mut self, requirements: &ClientRequirements) -> Option<()> {
        let ClientRequirements {
            mode,
            authorities,
            revocation,
            digests,
            names,
            ..
        } = requirements;
        if mode.verifies() && authorities.is_empty() {
            let message = "without `caCertificateRefs` no client can be verified; add them, or use `mode: Request`";
            self.refuse(self.at.clone(), message.to_owned());
            return None;
        }
        if let Err(error) = requirements.check() {
            self.refuse(self.at.clone(), format!("rustls can't use it: {error}"));
            return None;
        }
        // As in Envoy, where such clients aren't verified (`ACCEPT_UNTRUSTED`).
        let unused = [
            ("crl", revocation.is_some()),
            ("spkiHashes` and `certificateHashes", !digests.is_empty()),
            ("subjectAltNames", !names.is_empty()),
        ];
        let unused = unused.into_iter().filter(|(_, is_set)| *is_set);
        for (field, _) in unused.filter(|_| !mode.verifies()) {
            let message = format!("its mode admits any certificate, whatever `{field}` says");
            let at = self.at.key("mode");
            self.shortfalls.push(Shortfall::warns(at, message));
        }
        Some(())
    }

    fn authorities(
        &mut self,
        references: &[SecretObjectReference],
    ) -> Vec<rustls_pki_types::CertificateDer<'static>> {
        let mut all = Vec::new();
        for (index, reference) in references.iter().enumerate() {
            let at = self.at.key("caCertificateRefs").index(index);
            let read = certificate::authorities_of_any;
            let authorities = self.resolve(&AUTHORITIES, (reference, at), read);
            for authority in authorities {
                if !all.contains(&authority) {
                    all.push(authority);
                }
            }
        }
        all
    }

    fn revocation(&mut self, fields: &CrlContext) -> Revocation {
        let references = fields.refs.iter().enumerate();
        let lists = references.flat_map(|(index, reference)| {
            let at = self.at.key("crl").key("refs").index(index);
            let read = certificate::revocation_lists;
            self.resolve(&REVOCATION_LISTS, (reference, at), read)
        });
        Revocation {
            lists: lists.collect(),
            depth: match fields.only_verify_leaf_certificate {
                Some(true) => RevocationDepth::Leaf,
                Some(false) | None => RevocationDepth::Chain,
            },
        }
    }

    /// Reads the object that a reference names. Without content that is in force, the result is empty.
    fn resolve<T>(
        &mut self,
        field: &'static ReferenceField,
        (reference, at): (&SecretObjectReference, Pointer),
        read: fn(&CertificateReference<'_>, &mut Vec<Problem>, &mut Build<'_>) -> Vec<T>,
    ) -> Vec<T> {
        let mut problems = Vec::new();
        let reported = self.build.diagnostics.len();
        let reference = CertificateReference {
            subject: self.policy,
            field,
            reference: reference.into(),
            pointer: at.clone(),
        };
        let content = read(&reference, &mut problems, self.build);
        let has_content = !content.is_empty();
        let new = self.build.diagnostics.iter_mut().skip(reported);
        for found in new.filter(|it| it.severity == Severity::Error && !has_content) {
            found.notes.push("the policy's targets answer 500".into());
        }
        for problem in problems {
            let shortfall = Shortfall::reference(at.clone(), problem.message, has_content);
            self.shortfalls.push(shortfall);
        }
        content
    }

    fn digests(&mut self, fields: &ClientValidationContext) -> Vec<CertificateDigest> {
        let mut digests = Vec::new();
        for (index, text) in fields.spki_hashes.iter().enumerate() {
            let decoded = STANDARD.decode(text).ok();
            match decoded.and_then(|it| it.try_into().ok()) {
                Some(digest) => digests.push(CertificateDigest::PublicKey(digest)),
                None => {
                    let at = self.at.key("spkiHashes").index(index);
                    let message = format!("`{text}` isn't a SHA-256 digest in Base64");
                    self.refuse(at, message);
                }
            }
        }
        for (index, text) in fields.certificate_hashes.iter().enumerate() {
            match hexadecimal(text) {
                Some(digest) => digests.push(CertificateDigest::Certificate(digest)),
                None => {
                    let at = self.at.key("certificateHashes").index(index);
                    let message = format!("`{text}` isn't a SHA-256 digest in hexadecimal");
                    self.refuse(at, message);
                }
            }
        }
        digests
    }

    fn names(&mut self, fields: &SubjectAltNames) -> Vec<SubjectAltName> {
        let SubjectAltNames {
            dns_names,
            email_addresses,
            ip_addresses,
            uris,
            other_names,
        } = fields;
        let lists = [
            ("dnsNames", SubjectAltNameKind::Dns, dns_names),
            ("emailAddresses", SubjectAltNameKind::Email, email_addresses),
            ("ipAddresses", SubjectAltNameKind::Ip, ip_addresses),
            ("uris", SubjectAltNameKind::Uri, uris),
        ];
        let mut names = Vec::new();
        let at = self.at.key("subjectAltNames");
        for (field, kind, list) in lists {
            for (index, pattern) in list.iter().enumerate() {
                let at = at.key(field).index(index);
                names.extend(self.name(kind.clone(), pattern, at));
            }
        }
        for (index, other) in other_names.iter().enumerate() {
            let at = at.key("otherNames").index(index);
            names.extend(self.other_name(other, at));
        }
        names
    }

    fn other_name(&mut self, other: &OtherSANMatch, at: Pointer) -> Option<SubjectAltName> {
        let OtherSANMatch { oid, kind, value } = other;
        let pattern = StringMatch {
            kind: *kind,
            value: value.clone(),
        };
        match Oid::from_str(oid) {
            Ok(oid) => self.name(SubjectAltNameKind::Other(oid), &pattern, at),
            Err(_) => {
                let message = format!("`{oid}` isn't an OID; write it with numbers and dots");
                self.refuse(at.key("oid"), message);
                None
            }
        }
    }

    fn name(
        &mut self,
        kind: SubjectAltNameKind,
        pattern: &StringMatch,
        at: Pointer,
    ) -> Option<SubjectAltName> {
        match text_pattern::read(pattern, Case::Sensitive) {
            Ok(pattern) => Some(SubjectAltName { kind, pattern }),
            Err(why) => {
                self.refuse(at.key("value"), why);
                None
            }
        }
    }

    fn refuse(&mut self, at: Pointer, message: String) {
        self.shortfalls.push(Shortfall::invalid(at, message));
    }
}

fn mode(mode: ClientValidationModeType) -> ClientMode {
    match mode {
        ClientValidationModeType::Request => ClientMode::Request,
        ClientValidationModeType::RequireAny => ClientMode::RequireAny,
        ClientValidationModeType::VerifyIfGiven => ClientMode::VerifyIfGiven,
        ClientValidationModeType::RequireAndVerify => ClientMode::RequireAndVerify,
    }
}

/// Reads a digest such as `openssl x509 -fingerprint` prints, with or without colons. `None` if it isn't one.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits = if text.len() == FINGERPRINT {
        text.replace(':', "")
    } else {
        text.to_owned()
    };
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        let is_hexadecimal = pair.bytes().all(|it| it.is_ascii_hexdigit());
        *byte = u8::from_str_radix(pair, 16)
            .ok()
            .filter(|_| is_hexadecimal)?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_may_have_colons() {
        let colons = vec!["0a"; 32].join(":");
        assert_eq!(hexadecimal(&colons), Some([10; 32]));
        assert_eq!(hexadecimal(&"0A".repeat(32)), Some([10; 32]));
        let wrong = [
            "0a".repeat(31),
            "0a".repeat(33),
            "+a".repeat(32),
            "zz".repeat(32),
        ];
        for text in wrong {
            assert_eq!(hexadecimal(&text), None, "{text}");
        }
    }
}
