//! `X-Forwarded-Client-Cert`: what backends learn of client certificates, and that nobody forges it.

use super::{HOST, OTHER, Site, TRUSTING};
use crate::support::tls::{Authority, Pair};
use rcgen::SanType;
use serde_json::Value;

const NAME: &str = "X-Forwarded-Client-Cert";
const ACCEPT: (&str, &str) = ("Accept", "*/*");
/// Headers that `Connection` lists are removed on the way to the backend.
const HOP_BY_HOP: (&str, &str) = ("Connection", "keep-alive, x-forwarded-client-cert");
const FORGED: &str = "Hash=forged;URI=spiffe://example/admin";

/// Returns what the backend gets under a name if the client sends forged headers and another one. `None` for nothing.
fn forwarded(
    site: &Site,
    client: Option<&Pair>,
    (host, name): (&str, &str),
    more: (&str, &str),
) -> Option<Vec<String>> {
    let sent = [(NAME, FORGED), ("x_forwarded_client_cert", FORGED), more];
    let config = site.server.trust_as(client);
    let socket = site.daemon.socket(443);
    let (mut connection, _) = Authority::connect_with(config, socket, host).expect("TLS");
    let answer = connection.get(host, "/", &sent).expect("an answer");
    assert_eq!(answer.status, 200);
    let values = answer.json()["headers"][name].as_array()?.clone();
    let texts = values.iter().filter_map(Value::as_str);
    Some(texts.map(str::to_owned).collect())
}

fn hash(client: &Pair) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, &client.der);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn each_mode_forwards_what_it_says() {
    let site = Site::new(&format!("{TRUSTING}, optional: true"));
    let uri = SanType::URI("spiffe://example/shop".try_into().expect("ASCII"));
    let client = site.clients.issue_with(1, vec![uri]);
    let own = format!("Hash={};URI=spiffe://example/shop", hash(&client));
    let both = format!("{FORGED},{own}");
    let none: Option<&str> = None;
    for (headers, with, without) in [
        ("{}", none, none),
        ("{xForwardedClientCert: {mode: Sanitize}}", none, none),
        (
            "{xForwardedClientCert: {mode: ForwardOnly}}",
            Some(FORGED),
            none,
        ),
        (
            "{xForwardedClientCert: {mode: AppendForward, certDetailsToAdd: [URI]}}",
            Some(&*both),
            none,
        ),
        (
            "{xForwardedClientCert: {mode: SanitizeSet, certDetailsToAdd: [URI]}}",
            Some(&*own),
            none,
        ),
        (
            "{xForwardedClientCert: {mode: AlwaysForwardOnly}}",
            Some(FORGED),
            Some(FORGED),
        ),
    ] {
        site.set_with(&format!("{TRUSTING}, optional: true"), headers);
        for (client, expected) in [(Some(&client), with), (None, without)] {
            let found = forwarded(&site, client, (HOST, NAME), ACCEPT);
            let expected = expected.map(|it| vec![it.to_owned()]);
            assert_eq!(found, expected, "{headers}");
            let alike = (HOST, "X_forwarded_client_cert");
            let alike = forwarded(&site, client, alike, ACCEPT);
            assert_eq!(alike, None, "{headers}");
        }
        let other = forwarded(&site, None, (OTHER, NAME), ACCEPT);
        assert_eq!(other, None, "no policy");
    }
}

/// As in Envoy. The mode is for backends that decide themselves.
#[test]
fn a_certificate_that_is_not_verified_is_forwarded_on_request() {
    let site = Site::new(TRUSTING);
    let headers = "{xForwardedClientCert: {mode: SanitizeSet, certDetailsToAdd: [Subject, Cert, Chain, DNS]}}";
    site.set_with("mode: Request", headers);
    let client = Authority::new().issue("client.example");
    let found = forwarded(&site, Some(&client), (HOST, NAME), HOP_BY_HOP).expect("an element");
    let [element] = &*found else {
        panic!("{found:?}");
    };
    let begin = format!(
        "Hash={};Cert=\"-----BEGIN%20CERTIFICATE-----%0A",
        hash(&client)
    );
    assert!(element.starts_with(&begin), "{element}");
    let end = ";Subject=\"CN=rcgen self signed cert\";DNS=client.example";
    assert!(element.ends_with(end), "{element}");
    assert_eq!(forwarded(&site, None, (HOST, NAME), HOP_BY_HOP), None);
}
