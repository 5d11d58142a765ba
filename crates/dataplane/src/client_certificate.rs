//! The certificate that a client presents, as backends learn of it: an element of `X-Forwarded-Client-Cert`.
//!
//! In: the chain of the handshake. Out: the text that Envoy writes (`conn_manager_utility.cc`,
//! `mutateXfccRequestHeader`), but with names in quotation marks if they contain separators, as Envoy's documentation of the header says.

mod subject;

use crate::client_traffic::forwarded_client_cert::CertificateDetails;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use ring::digest::{SHA256, digest};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::fmt::{self, Write};
use std::sync::{Arc, OnceLock};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The characters of a line of PEM.
const PEM_LINE: usize = 64;

/// The certificate of a client, with those that signed it.
pub struct ClientCertificate {
    /// The client's own certificate first; never empty.
    chain: Vec<CertificateDer<'static>>,
    /// The certificates of the listener.
    served: Vec<Arc<CertifiedKey>>,
    /// The element with the details that were asked for first, which nearly always are the only ones.
    known: OnceLock<(CertificateDetails, Option<HeaderValue>)>,
}

impl ClientCertificate {
    /// Accepts what a client has presented to a listener with the certificates `served`. `None` if it has presented none.
    pub fn new(
        chain: &[CertificateDer<'static>],
        served: &[Arc<CertifiedKey>],
    ) -> Option<ClientCertificate> {
        (!chain.is_empty()).then(|| ClientCertificate {
            chain: chain.to_vec(),
            served: served.to_vec(),
            known: OnceLock::new(),
        })
    }

    /// Returns the element of the header for this client. `None` if the certificate can't be read.
    pub fn element(&self, details: CertificateDetails) -> Option<HeaderValue> {
        let (known, element) = self
            .known
            .get_or_init(|| (details, self.write_element(details)));
        if *known == details {
            element.clone()
        } else {
            self.write_element(details)
        }
    }

    fn write_element(&self, details: CertificateDetails) -> Option<HeaderValue> {
        let leaf = self.chain.first()?;
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let mut element = Element::default();
        for uri in self.own_uris() {
            element.name("By", &uri);
        }
        element.pair("Hash", &hexadecimal(digest(&SHA256, leaf).as_ref()));
        if details.certificate {
            element.quoted("Cert", &escaped_pem(leaf));
        }
        if details.chain {
            let all: String = self.chain.iter().map(escaped_pem).collect();
            element.quoted("Chain", &all);
        }
        if details.subject {
            element.quoted("Subject", &subject::in_rfc_2253(parsed.subject()));
        }
        let names = alternative_names(&parsed);
        if details.uris {
            let uris = names.iter().filter_map(uri);
            element.names("URI", uris);
        }
        if details.dns_names {
            let names = names.iter().filter_map(dns_name);
            names.for_each(|name| element.name("DNS", name));
        }
        HeaderValue::try_from(element.0).ok()
    }

    /// Returns the URIs of the listener's certificate: of the first one that has some.
    fn own_uris(&self) -> Vec<String> {
        let uris = self.served.iter().map(|served| {
            let leaf = served.cert.first()?;
            let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
            let names = alternative_names(&parsed);
            Some(names.iter().filter_map(uri).map(str::to_owned).collect())
        });
        let mut uris = uris.map(Option::unwrap_or_default);
        uris.find(|uris: &Vec<String>| !uris.is_empty())
            .unwrap_or_default()
    }
}

/// Prints how many certificates there are, but not whom they belong to.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Pairs of keys and values, separated by semicolons.
#[derive(Default)]
struct Element(String);

impl Element {
    fn pair(&mut self, key: &str, value: &str) {
        let separator = if self.0.is_empty() { "" } else { ";" };
        // Writing to a string can't fail.
        let _ = write!(self.0, "{separator}{key}={value}");
    }

    fn quoted(&mut self, key: &str, value: &str) {
        self.pair(key, &format!("\"{value}\""));
    }

    /// Adds a name, in quotation marks if it contains a separator: the certificate of an authority with few scruples must not
    /// be able to add pairs. A name that no header can contain is left out.
    fn name(&mut self, key: &str, name: &str) {
        if name.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return;
        }
        if name.contains([',', ';', '=', '"', '\\', ' ']) {
            let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
            self.quoted(key, &escaped);
        } else {
            self.pair(key, name);
        }
    }

    /// Adds names. The key is there even if there are none.
    fn names<'n>(&mut self, key: &str, names: impl Iterator<Item = &'n str>) {
        let mut names = names.peekable();
        if names.peek().is_none() {
            self.pair(key, "");
        }
        names.for_each(|name| self.name(key, name));
    }
}

fn alternative_names<'c>(certificate: &'c X509Certificate<'c>) -> Vec<GeneralName<'c>> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    extension.map_or_else(Vec::new, |it| it.value.general_names.clone())
}

fn uri<'n>(name: &'n GeneralName<'_>) -> Option<&'n str> {
    match name {
        GeneralName::URI(text) => Some(text),
        _ => None,
    }
}

fn dns_name<'n>(name: &'n GeneralName<'_>) -> Option<&'n str> {
    match name {
        GeneralName::DNSName(text) => Some(text),
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Returns a certificate as PEM, with percent-encoding of the characters that Envoy encodes.
fn escaped_pem(certificate: &CertificateDer<'_>) -> String {
    let encoded = STANDARD.encode(certificate);
    let mut text = String::with_capacity(2 * encoded.len());
    text.push_str("-----BEGIN%20CERTIFICATE-----%0A");
    for (index, character) in encoded.chars().enumerate() {
        if index > 0 && index % PEM_LINE == 0 {
            text.push_str("%0A");
        }
        match character {
            '+' => text.push_str("%2B"),
            '/' => text.push_str("%2F"),
            '=' => text.push_str("%3D"),
            other => text.push(other),
        }
    }
    text.push_str("%0A-----END%20CERTIFICATE-----%0A");
    text
}

#[cfg(test)]
mod tests;
