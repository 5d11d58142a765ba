//! What is required of client certificates, and that nothing bypasses it.

use super::{HOST, OTHER, Site, TRUSTING};
use crate::support::client_traffic::remove;
use crate::support::tls::{Authority, config_map, config_map_with};
use rcgen::SanType;

const SERVED: Option<u16> = Some(200);
const CLOSED: Option<u16> = Some(500);
const REFUSED: Option<u16> = None;

#[test]
fn each_mode_admits_the_clients_that_it_says() {
    let site = Site::new(TRUSTING);
    let good = site.clients.issue("client");
    let expired = site.clients.issue_expired("client");
    let foreign = Authority::new().issue("client");
    for (mode, [none, valid, invalid]) in [
        (
            ", mode: RequireAndVerify, optional: true",
            [REFUSED, SERVED, REFUSED],
        ),
        (", optional: true", [SERVED, SERVED, REFUSED]),
        (", mode: VerifyIfGiven", [SERVED, SERVED, REFUSED]),
        (", mode: RequireAny", [REFUSED, SERVED, SERVED]),
        (", mode: Request", [SERVED, SERVED, SERVED]),
        ("", [REFUSED, SERVED, REFUSED]),
    ] {
        site.set(&format!("{TRUSTING}{mode}"));
        assert_eq!(site.status(None), none, "{mode}: no certificate");
        assert_eq!(site.status(Some(&good)), valid, "{mode}: a good one");
        let bad = "one of another authority";
        assert_eq!(site.status(Some(&foreign)), invalid, "{mode}: {bad}");
        assert_eq!(site.status(Some(&expired)), invalid, "{mode}: expired");
    }
    let unverified = site.ask(site.server.trust(), OTHER).expect("an answer");
    assert_eq!(unverified.0, 200, "another listener");
    site.set(&format!("{TRUSTING}, allowExpiredCertificate: true"));
    assert_eq!(site.status(Some(&expired)), SERVED);
    assert_eq!(site.status(Some(&foreign)), REFUSED);
}

#[test]
fn authorities_may_be_in_a_secret() {
    let site = Site::new("caCertificateRefs: [{name: clients}]");
    assert_eq!(site.status(None), CLOSED, "there is no such Secret yet");
    let authority = config_map("clients", &site.clients.pem());
    let authority = authority
        .replace("kind: ConfigMap", "kind: Secret")
        .replace("\ndata:", "\nstringData:");
    site.replace("secret.yaml", &authority);
    let good = site.clients.issue("client");
    assert_eq!(site.status(Some(&good)), SERVED);
    assert_eq!(site.status(None), REFUSED);
    let elsewhere = authority.replace("metadata:", "metadata:\n  namespace: trust");
    site.replace("secret.yaml", &elsewhere);
    site.set("caCertificateRefs: [{name: clients, namespace: trust}]");
    assert_eq!(site.status(Some(&good)), CLOSED, "not permitted");
    let grant = "apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: policies, namespace: trust}
spec:
  from: [{group: gateway.envoyproxy.io, kind: ClientTrafficPolicy, namespace: default}]
  to: [{group: '', kind: Secret}]
";
    site.replace("grant.yaml", grant);
    assert_eq!(site.status(Some(&good)), SERVED);
    assert_eq!(site.status(None), REFUSED);
}

#[test]
fn what_can_not_be_validated_closes_the_listener_and_is_named() {
    let site = Site::new(TRUSTING);
    for (validation, why) in [
        ("mode: RequireAndVerify", "without `caCertificateRefs`"),
        (
            "caCertificateRefs: [{kind: ConfigMap, name: gone}]",
            "ConfigMap default/gone isn't in the folder",
        ),
        (
            "caCertificateRefs: [{group: certificates.k8s.io, kind: ClusterTrustBundle, name: clients}]",
            "use a ConfigMap or a Secret",
        ),
        (
            "caCertificateRefs: [{kind: ConfigMap, name: clients}], spkiHashes: [YQ==]",
            "isn't a SHA-256 digest in Base64",
        ),
        (
            "caCertificateRefs: [{kind: ConfigMap, name: clients}], subjectAltNames: {uris: [{type: RegularExpression, value: '('}]}",
            "isn't a regular expression",
        ),
        (
            "caCertificateRefs: [{kind: ConfigMap, name: clients}], crl: {refs: [{name: gone}]}",
            "Secret default/gone isn't in the folder",
        ),
    ] {
        site.set(validation);
        let good = site.clients.issue("client");
        for client in [None, Some(&good)] {
            assert_eq!(site.status(client), CLOSED, "{validation}");
        }
        let accepted = site.accepted();
        assert_eq!(accepted["reason"], "Invalid", "{validation}");
        let message = accepted["message"].as_str().unwrap_or_default();
        assert!(message.contains(why), "{message}");
    }
    let other = site.ask(site.server.trust(), OTHER).expect("an answer");
    assert_eq!(other.0, 200, "another listener");
}

#[test]
fn a_broken_authority_keeps_the_last_good_one() {
    let site = Site::new(TRUSTING);
    site.replace("ca.yaml", &config_map("clients", "nothing"));
    site.daemon.wait_for_diagnostic("GF0603");
    let good = site.clients.issue("client");
    assert_eq!(site.status(Some(&good)), SERVED);
    assert_eq!(site.status(None), REFUSED);
    assert_eq!(site.accepted()["status"], "True");
    remove(&site.folder, &site.daemon, "ca.yaml");
    assert_eq!(site.status(Some(&good)), CLOSED, "withdrawn");
}

#[test]
fn revoked_certificates_are_refused_also_in_resumed_sessions() {
    let site = Site::new(&format!(
        "{TRUSTING}, crl: {{refs: [{{kind: ConfigMap, name: revoked}}]}}"
    ));
    let (first, second) = (
        site.clients.issue_with(7, Vec::new()),
        site.clients.issue_with(8, Vec::new()),
    );
    assert_eq!(site.status(Some(&first)), CLOSED, "there is no list yet");
    let revoked =
        |serials: &[u64]| config_map_with("revoked", "ca.crl", &site.clients.revoke(serials));
    site.replace("crl.yaml", &revoked(&[]));
    let config = site.server.trust_resuming_as(&first);
    let ask = || site.ask(config.clone(), HOST);
    assert_eq!(ask().expect("a session"), (200, false));
    assert_eq!(ask().expect("the same session"), (200, true));
    site.replace("crl.yaml", &revoked(&[7]));
    assert!(ask().is_err(), "neither the ticket nor the certificate");
    assert_eq!(site.status(Some(&first)), REFUSED);
    assert_eq!(site.status(Some(&second)), SERVED);
    let broken = config_map_with("revoked", "ca.crl", "nothing");
    site.replace("crl.yaml", &broken);
    let status = site.status(Some(&second));
    assert_eq!(status, CLOSED, "an older list may lack certificates");
}

#[test]
fn only_certificates_with_the_right_names_and_digests_are_valid() {
    let site = Site::new(TRUSTING);
    let uri = |text: &str| SanType::URI(text.try_into().expect("ASCII"));
    let right = site
        .clients
        .issue_with(1, vec![uri("spiffe://example/shop")]);
    let wrong = site
        .clients
        .issue_with(2, vec![uri("spiffe://example/blog")]);
    let foreign = Authority::new().issue_with(3, vec![uri("spiffe://example/shop")]);
    let names = "subjectAltNames: {uris: [{value: 'spiffe://example/shop'}]}";
    let digest = ring::digest::digest(&ring::digest::SHA256, &right.der);
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    let digest = digits.collect::<Vec<_>>().join(":");
    for requirement in [names, &format!("certificateHashes: ['{digest}']")] {
        site.set(&format!("{TRUSTING}, mode: VerifyIfGiven, {requirement}"));
        assert_eq!(site.status(Some(&right)), SERVED, "{requirement}");
        assert_eq!(site.status(Some(&wrong)), REFUSED, "{requirement}");
        assert_eq!(site.status(Some(&foreign)), REFUSED, "{requirement}");
        assert_eq!(site.status(None), REFUSED, "{requirement}");
    }
    // As in Envoy, where such a mode verifies nothing.
    site.set(&format!("{TRUSTING}, mode: RequireAny, {names}"));
    assert_eq!(site.status(Some(&wrong)), SERVED);
    site.daemon.wait_for_diagnostic("GF0523");
}

#[test]
fn a_connection_of_another_listener_does_not_bypass_the_validation() {
    let site = Site::new(TRUSTING);
    let socket = site.daemon.socket(443);
    let (mut client, _) = site.server.connect(socket, OTHER).expect("TLS");
    assert_eq!(client.get(OTHER, "/", &[]).expect("an answer").status, 200);
    let misdirected = client.get(HOST, "/", &[]).expect("an answer");
    assert_eq!(misdirected.status, 421);
}

/// A ticket stands for the authentication of the handshake that it comes from (RFC 8446, section 4.6.1).
#[test]
fn a_session_of_a_weaker_mode_is_not_resumed_in_a_stricter_one() {
    let site = Site::new(&format!("{TRUSTING}, mode: Request"));
    let foreign = Authority::new().issue("client");
    let config = site.server.trust_resuming_as(&foreign);
    let ask = || site.ask(config.clone(), HOST);
    assert_eq!(ask().expect("a session"), (200, false));
    assert_eq!(ask().expect("the same session"), (200, true));
    let socket = site.daemon.socket(443);
    let (mut open, _) = Authority::connect_with(config.clone(), socket, HOST).expect("TLS");
    assert_eq!(open.get(HOST, "/", &[]).expect("an answer").status, 200);
    site.set(&format!("{TRUSTING}, mode: RequireAny"));
    let answer = open.get(HOST, "/", &[]).expect("an answer");
    assert_eq!(
        answer.status, 421,
        "the connection passed another validation"
    );
    assert_eq!(ask().expect("a new session"), (200, false));
    site.set(TRUSTING);
    assert!(ask().is_err(), "neither the ticket nor the certificate");
}

#[test]
fn a_policy_replaces_the_validation_of_the_gateway() {
    let frontend = "  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: gateway}]}}}}\n";
    let site = Site::with(TRUSTING, frontend);
    let of_gateway = Authority::new();
    site.replace("frontend.yaml", &config_map("gateway", &of_gateway.pem()));
    let (own, other) = (site.clients.issue("client"), of_gateway.issue("client"));
    assert_eq!(site.status(Some(&own)), SERVED);
    assert_eq!(site.status(Some(&other)), REFUSED);
    let at_other = |client| site.ask(site.server.trust_as(Some(client)), OTHER).is_ok();
    assert!(at_other(&other) && !at_other(&own), "no policy targets it");
    remove(&site.folder, &site.daemon, "policy.yaml");
    assert_eq!(site.status(Some(&own)), REFUSED);
    assert_eq!(site.status(Some(&other)), SERVED);
}
