//! The certificate of a client, for `X-Forwarded-Client-Cert`.

use gatefold_dataplane::client_certificate::ClientCertificate;
use gatefold_dataplane::client_traffic::forwarded_client_cert::CertificateDetails;
use rustls_pki_types::CertificateDer;

const KEYS: [&str; 7] = ["By", "Hash", "Cert", "Chain", "Subject", "URI", "DNS"];

/// Writes the element of the header for the bytes as a certificate. Whatever its names are, they must not add pairs or elements.
pub fn check(bytes: &[u8]) {
    let certificate = CertificateDer::from(bytes.to_vec());
    let client = ClientCertificate::new(&[certificate], &[]).expect("a certificate");
    let all = CertificateDetails {
        certificate: true,
        chain: true,
        subject: true,
        uris: true,
        dns_names: true,
    };
    let Some(element) = client.element(all) else {
        return;
    };
    let element = element.to_str().expect("a text");
    let (mut quoted, mut escaped, mut pair) = (false, false, String::new());
    let mut pairs = Vec::new();
    for character in element.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' | ',' if !quoted => pairs.push(std::mem::take(&mut pair)),
            _ => {}
        }
        pair.push(character);
    }
    pairs.push(pair);
    assert!(!quoted, "an open quotation: {element}");
    for pair in pairs {
        let pair = pair.trim_start_matches(';');
        let known = pair
            .split_once('=')
            .is_some_and(|(key, _)| KEYS.contains(&key));
        assert!(known, "{pair:?} in {element}");
    }
}
