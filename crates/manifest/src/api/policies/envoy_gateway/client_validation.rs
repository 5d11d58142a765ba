//! `ClientTrafficPolicy.spec.tls.clientValidation`.

use super::{StringMatch, StringMatchType};
use crate::Decoder;
use crate::api::{SecretObjectReference, choice, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// How the certificates of clients are validated.
    pub closed ClientValidationContext checked by ClientValidationContext::check {
        /// Whether a client may have no certificate; the older field.
        "optional" => optional: Option<bool>,
        /// Whether a client needs a certificate, and whether it must be valid.
        "mode" => mode: Option<ClientValidationModeType>,
        /// The authorities.
        "caCertificateRefs" => ca_certificate_refs: Vec<SecretObjectReference> [0..=8],
        /// SHA-256 digests of public keys (Base64), of which the certificate must have one, or one of `certificateHashes`.
        "spkiHashes" => spki_hashes: Vec<String>,
        /// SHA-256 digests of certificates (hexadecimal).
        "certificateHashes" => certificate_hashes: Vec<String>,
        /// The names of which the certificate must have one.
        "subjectAltNames" => subject_alt_names: Option<SubjectAltNames>,
        /// The lists of revoked certificates.
        "crl" => crl: Option<CrlContext>,
        /// Whether certificates may have expired.
        "allowExpiredCertificate" => allow_expired_certificate: Option<bool>,
    }
}

choice! {
    /// Whether a client needs a certificate, and whether it must be valid.
    pub ClientValidationModeType {
        /// A client may have none, or any.
        Request,
        /// A client must have one, but it may be any.
        RequireAny,
        /// A client may have none, or a valid one.
        VerifyIfGiven,
        /// A client must have a valid one.
        RequireAndVerify,
    }
}

object! {
    /// Lists of revoked certificates.
    pub closed CrlContext {
        /// The objects with the lists.
        "refs" => refs: Vec<SecretObjectReference> [1..=8],
        /// Whether only the client's own certificate is looked up, and not those that signed it.
        "onlyVerifyLeafCertificate" => only_verify_leaf_certificate: Option<bool>,
    }
}

object! {
    /// Names of which a certificate must have one.
    pub closed SubjectAltNames {
        /// DNS names.
        "dnsNames" => dns_names: Vec<StringMatch>,
        /// Email addresses.
        "emailAddresses" => email_addresses: Vec<StringMatch>,
        /// IP addresses.
        "ipAddresses" => ip_addresses: Vec<StringMatch>,
        /// URIs.
        "uris" => uris: Vec<StringMatch>,
        /// Names of other types.
        "otherNames" => other_names: Vec<OtherSANMatch>,
    }
}

object! {
    /// A text that matches names of a type.
    pub closed OtherSANMatch {
        /// The type.
        "oid" => oid: String,
        /// How the text is compared.
        "type" => kind: StringMatchType = StringMatchType::Exact,
        /// The text.
        "value" => value: String [1..=1024],
    }
}

impl ClientValidationContext {
    /// The mode, as the older field may say it.
    pub fn mode(&self) -> ClientValidationModeType {
        match (self.mode, self.optional) {
            (Some(mode), _) => mode,
            (None, Some(true)) => ClientValidationModeType::VerifyIfGiven,
            (None, Some(false) | None) => ClientValidationModeType::RequireAndVerify,
        }
    }

    /// Source: the CRD.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let verifies = match self.mode {
            Some(ClientValidationModeType::Request | ClientValidationModeType::RequireAny) => false,
            Some(
                ClientValidationModeType::VerifyIfGiven
                | ClientValidationModeType::RequireAndVerify,
            )
            | None => true,
        };
        if self.allow_expired_certificate == Some(true) && !verifies {
            let why = "needs the mode `VerifyIfGiven` or `RequireAndVerify`";
            refuse(node, "allowExpiredCertificate", why, decoder);
        }
    }
}
