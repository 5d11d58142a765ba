//! The settings of a ClientTrafficPolicy for TLS.
//!
//! In: `spec.tls` with names of BoringSSL, OpenSSL and RFCs. Out: what rustls serves of it. A name that rustls doesn't have is
//! reported; if none is left of a list, the policy's targets are closed.

use super::shortfall::Shortfall;
use gatefold_dataplane::client_traffic::tls_settings::{Resumption, TlsSettings, TlsVersions};
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{ClientTLSSettings, TLSSession, TLSVersion};
use rustls::{CipherSuite, NamedGroup, SignatureScheme};

/// The cipher suites of TLS 1.2 in rustls, by their names in OpenSSL and in RFCs.
const CIPHERS: [(&str, &str, CipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The groups of rustls with ring, by their names in BoringSSL.
const GROUPS: [(&str, NamedGroup); 6] = [
    ("X25519", NamedGroup::X25519),
    ("x25519", NamedGroup::X25519),
    ("P-256", NamedGroup::secp256r1),
    ("prime256v1", NamedGroup::secp256r1),
    ("P-384", NamedGroup::secp384r1),
    ("secp384r1", NamedGroup::secp384r1),
];

/// The algorithms by which keys sign in rustls with ring, by their names in RFC 8446.
const SIGNATURES: [(&str, SignatureScheme); 9] = [
    (
        "ecdsa_secp256r1_sha256",
        SignatureScheme::ECDSA_NISTP256_SHA256,
    ),
    (
        "ecdsa_secp384r1_sha384",
        SignatureScheme::ECDSA_NISTP384_SHA384,
    ),
    ("ed25519", SignatureScheme::ED25519),
    ("rsa_pss_rsae_sha256", SignatureScheme::RSA_PSS_SHA256),
    ("rsa_pss_rsae_sha384", SignatureScheme::RSA_PSS_SHA384),
    ("rsa_pss_rsae_sha512", SignatureScheme::RSA_PSS_SHA512),
    ("rsa_pkcs1_sha256", SignatureScheme::RSA_PKCS1_SHA256),
    ("rsa_pkcs1_sha384", SignatureScheme::RSA_PKCS1_SHA384),
    ("rsa_pkcs1_sha512", SignatureScheme::RSA_PKCS1_SHA512),
];

/// The protocols that HTTPS listeners speak.
const PROTOCOLS: [&str; 3] = ["h2", "http/1.1", "http/1.0"];

/// Returns what is served of `spec.tls`. Adds what isn't to `shortfalls`.
pub(super) fn of(tls: &ClientTLSSettings, shortfalls: &mut Vec<Shortfall>) -> TlsSettings {
    let mut reader = Reader { shortfalls };
    let defaults = TlsSettings::default();
    TlsSettings {
        versions: reader.versions(tls),
        cipher_suites: reader.names("ciphers", &ciphers(tls), cipher),
        groups: reader.names("ecdhCurves", &names(&tls.ecdh_curves), |name| {
            found(&GROUPS, name)
        }),
        signature_schemes: reader.names(
            "signatureAlgorithms",
            &names(&tls.signature_algorithms),
            |name| found(&SIGNATURES, name),
        ),
        alpn: match &tls.alpn_protocols {
            Some(protocols) => reader.alpn(protocols),
            None => defaults.alpn,
        },
        resumption: tls.session.as_ref().map_or(defaults.resumption, resumption),
    }
}

/// Returns each name with its index in the list of the manifest.
fn names(list: &[String]) -> Vec<(usize, &str)> {
    list.iter().map(String::as_str).enumerate().collect()
}

/// The same for cipher suites: those in `[A|B]` have the same index.
fn ciphers(tls: &ClientTLSSettings) -> Vec<(usize, &str)> {
    let all = tls.ciphers.iter().enumerate();
    let all = all.flat_map(|(index, text)| {
        let group = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let names = group.unwrap_or(text).split('|');
        names.map(move |name| (index, name.trim()))
    });
    all.collect()
}

fn cipher(name: &str) -> Option<CipherSuite> {
    let mut all = CIPHERS.iter();
    all.find(|(openssl, rfc, _)| name == *openssl || name == *rfc)
        .map(|(.., suite)| *suite)
}

fn found<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    let mut table = table.iter();
    table.find(|(known, _)| *known == name).map(|(_, it)| *it)
}

fn resumption(session: &TLSSession) -> Resumption {
    match &session.resumption {
        None => Resumption::default(),
        Some(resumption) => Resumption {
            tickets: resumption.stateless.is_some(),
            memory: resumption.stateful.is_some(),
        },
    }
}

/// Reads lists of names, and collects what isn't served of them.
struct Reader<'r> {
    shortfalls: &'r mut Vec<Shortfall>,
}

impl Reader<'_> {
    fn versions(&mut self, tls: &ClientTLSSettings) -> TlsVersions {
        let pointer = Pointer::spec().key("tls");
        if let Some(TLSVersion::V1_0 | TLSVersion::V1_1) = tls.max_version {
            let message = "no version is left, because gatefold serves TLS 1.2 and 1.3 only";
            self.shortfalls
                .push(Shortfall::closes(pointer.key("maxVersion"), message));
        }
        if let Some(TLSVersion::V1_0 | TLSVersion::V1_1) = tls.min_version {
            let message = "gatefold serves TLS 1.2 and 1.3 only";
            self.shortfalls
                .push(Shortfall::warns(pointer.key("minVersion"), message));
        }
        match (tls.min_version, tls.max_version) {
            (Some(TLSVersion::V1_3), _) => TlsVersions::Only13,
            (_, Some(TLSVersion::V1_2)) => TlsVersions::Only12,
            _ => TlsVersions::All,
        }
    }

    /// Returns what the names mean. `None` if the list is empty, which means all; or if nothing of it is served: then the targets
    /// are closed, and clients must connect to be told so.
    fn names<T>(
        &mut self,
        field: &'static str,
        names: &[(usize, &str)],
        meaning: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        if names.is_empty() {
            return None;
        }
        let pointer = Pointer::spec().key("tls").key(field);
        let mut known = Vec::new();
        for (index, name) in names {
            match meaning(name) {
                Some(it) => known.push(it),
                None => {
                    let message = format!("gatefold doesn't have `{name}`: clients can't use it");
                    let pointer = pointer.index(*index);
                    self.shortfalls.push(Shortfall::warns(pointer, message));
                }
            }
        }
        if known.is_empty() {
            let message = "gatefold has none of them, so no connection could be made";
            self.shortfalls.push(Shortfall::closes(pointer, message));
            return None;
        }
        Some(known)
    }

    fn alpn(&mut self, protocols: &[String]) -> Vec<Vec<u8>> {
        let pointer = Pointer::spec().key("tls").key("alpnProtocols");
        let mut offered = Vec::new();
        for (index, protocol) in protocols.iter().enumerate() {
            if PROTOCOLS.contains(&protocol.as_str()) {
                offered.push(protocol.as_bytes().to_vec());
            } else {
                let message = format!("gatefold doesn't speak `{protocol}`, and doesn't offer it");
                self.shortfalls
                    .push(Shortfall::warns(pointer.index(index), message));
            }
        }
        if offered.is_empty() && !protocols.is_empty() {
            let message = "gatefold speaks none of them";
            self.shortfalls.push(Shortfall::closes(pointer, message));
        }
        offered
    }
}

#[cfg(test)]
mod tests;
