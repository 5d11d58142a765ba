//! Listeners that verify client certificates.

use crate::support::daemon::{Daemon, check};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_named, route, service};
use crate::support::openssl::{openssl, self_signed};
use crate::support::tls::{Authority, Pair, config_map, secret};
use rustls::ClientConfig;
use rustls::client::Resumption;
use std::io;
use std::sync::Arc;

const HOST: &str = "www.example.com";

/// A Gateway `edge` that verifies clients on port 443 in the given mode, and not on port 444.
fn gateway(mode: &str) -> String {
    let listeners =
        "    - {name: checked, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}
    - {name: open, protocol: HTTPS, port: 444, tls: {certificateRefs: [{name: cert}]}}\n";
    let tls = format!(
        "  tls:
    frontend:
      default:
        validation: {{mode: {mode}, caCertificateRefs: [{{group: '', kind: ConfigMap, name: clients}}]}}
      perPort:
        - {{port: 444, tls: {{}}}}\n"
    );
    gateway_named("edge", listeners) + &tls
}

/// A folder with the authorities of the server's and of the clients' certificates.
struct VerifyingSite {
    server: Authority,
    clients: Authority,
    folder: Folder,
}

impl VerifyingSite {
    fn new(mode: &str) -> Self {
        let (server, clients) = (Authority::new(), Authority::new());
        let pair = server.issue(HOST);
        let folder = Folder::with([
            ("gateway.yaml", gateway(mode)),
            ("cert.yaml", secret("cert", &pair.certificate, &pair.key)),
            ("clients.yaml", config_map("clients", &clients.pem())),
            ("route.yaml", route("shop", HOST)),
            ("shop.yaml", service("shop")),
        ]);
        VerifyingSite {
            server,
            clients,
            folder,
        }
    }

    fn start(&self) -> Daemon {
        Daemon::of(&self.folder).port(443).port(444).echo().start()
    }

    /// Sends a request on a new connection with this client certificate, and returns its status.
    fn ask(&self, daemon: &Daemon, port: u16, client: Option<&Pair>) -> io::Result<u16> {
        self.ask_with(daemon, port, self.server.trust_as(client))
    }

    fn ask_with(&self, daemon: &Daemon, port: u16, config: Arc<ClientConfig>) -> io::Result<u16> {
        let (mut client, _) = Authority::connect_with(config, daemon.socket(port), HOST)?;
        Ok(client.get(HOST, "/", &[])?.status)
    }
}

#[test]
fn serves_only_clients_with_a_valid_certificate() {
    let site = VerifyingSite::new("AllowValidOnly");
    let daemon = site.start();
    let good = site.clients.issue("client");
    let served = site.ask(&daemon, 443, Some(&good));
    assert_eq!(served.expect("a good certificate"), 200);
    for (what, client) in [
        ("no certificate", None),
        (
            "a certificate of another authority",
            Some(Authority::new().issue("client")),
        ),
        (
            "an expired certificate",
            Some(site.clients.issue_expired("client")),
        ),
    ] {
        let refused = site.ask(&daemon, 443, client.as_ref());
        assert!(refused.is_err(), "{what}: {refused:?}");
    }
    let open = site.ask(&daemon, 444, None);
    assert_eq!(open.expect("port 444 must not require a certificate"), 200);
}

#[test]
fn insecure_fallback_serves_all_clients_and_is_reported_in_the_status() {
    let site = VerifyingSite::new("AllowInsecureFallback");
    let daemon = site.start();
    for client in [
        None,
        Some(site.clients.issue("client")),
        Some(Authority::new().issue("client")),
    ] {
        let served = site.ask(&daemon, 443, client.as_ref());
        assert_eq!(served.expect("every client must be served"), 200);
    }
    let insecure = |daemon: &Daemon| {
        let status = daemon.object("gateways", "default", "edge")["status"].clone();
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        all.iter()
            .any(|one| one["type"] == "InsecureFrontendValidationMode" && one["status"] == "True")
    };
    assert!(insecure(&daemon), "the mode must be a condition");
    site.folder.write("gateway.yaml", gateway("AllowValidOnly"));
    eventually("clients without a certificate are refused", || {
        site.ask(&daemon, 443, None).is_err().then_some(())
    });
    assert!(
        !insecure(&daemon),
        "the condition must disappear with the mode"
    );
}

#[test]
fn a_changed_authority_applies_to_new_handshakes() {
    let site = VerifyingSite::new("AllowValidOnly");
    let daemon = site.start();
    let old = site.clients.issue("client");
    let config = site.server.trust_as(Some(&old));
    let (mut kept, _) =
        Authority::connect_with(config, daemon.socket(443), HOST).expect("a good certificate");
    let others = Authority::new();
    site.folder
        .write("clients.yaml", config_map("clients", &others.pem()));
    let new = others.issue("client");
    eventually("clients of the new authority are served", || {
        site.ask(&daemon, 443, Some(&new)).ok()
    });
    assert!(
        site.ask(&daemon, 443, Some(&old)).is_err(),
        "clients of the old authority must be refused"
    );
    let answer = kept
        .get(HOST, "/", &[])
        .expect("the existing connection must stay");
    assert_eq!(answer.status, 200);
}

/// A session that began with one validation must not be resumed with another one (RFC 8446, section 4.6.1: a ticket
/// carries the authentication of its handshake).
#[test]
fn a_session_ticket_is_invalid_after_the_validation_has_changed() {
    let site = VerifyingSite::new("AllowValidOnly");
    let daemon = site.start();
    let client = site.clients.issue("client");
    let mut config = ClientConfig::clone(&site.server.trust_as(Some(&client)));
    config.resumption = Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    let resumed = |config: &Arc<ClientConfig>| -> io::Result<bool> {
        let (mut client, _) = Authority::connect_with(config.clone(), daemon.socket(443), HOST)?;
        // The server sends tickets with the first answer.
        client.get(HOST, "/", &[])?;
        Ok(client.is_resumed())
    };
    assert!(
        !resumed(&config).expect("a handshake"),
        "the first handshake must not be a resumption"
    );
    assert!(
        resumed(&config).expect("a handshake"),
        "the ticket must be accepted"
    );

    // A comment changes only the file.
    let same = format!("# comment\n{}", config_map("clients", &site.clients.pem()));
    site.folder.write("clients.yaml", same);
    daemon.wait_for_summary("the reload", |summary| {
        (summary["generation"]["applied"].as_u64()? >= 2).then_some(())
    });
    assert!(
        resumed(&config).expect("a handshake"),
        "the ticket must stay valid"
    );

    let others = Authority::new();
    site.folder
        .write("clients.yaml", config_map("clients", &others.pem()));
    eventually("the ticket and the certificate are refused", || {
        resumed(&config).is_err().then_some(())
    });
}

#[test]
fn a_listener_that_starts_to_verify_clients_refuses_existing_connections() {
    let site = VerifyingSite::new("AllowValidOnly");
    let unchecked = gateway("AllowValidOnly").replace("port: 444, tls", "port: 443, tls");
    site.folder.write(
        "gateway.yaml",
        unchecked.replace(
            "name: open, protocol: HTTPS, port: 443",
            "name: open, protocol: HTTPS, port: 444",
        ),
    );
    let daemon = site.start();
    let config = site.server.trust_as(None);
    let (mut client, _) = Authority::connect_with(config, daemon.socket(443), HOST)
        .expect("clients must not be verified");
    assert_eq!(client.get(HOST, "/", &[]).expect("an answer").status, 200);
    site.folder.write("gateway.yaml", gateway("AllowValidOnly"));
    eventually("requests on the connection are refused", || {
        let answer = client
            .get(HOST, "/", &[])
            .expect("the connection stays open");
        (answer.status == 421).then_some(())
    });
}

#[test]
fn a_listener_without_its_authority_is_closed_and_reported() {
    let site = VerifyingSite::new("AllowValidOnly");
    let daemon = site.start();
    site.folder.remove("clients.yaml");
    eventually("port 443 is closed", || {
        site.ask(&daemon, 443, None).is_err().then_some(())
    });
    let status = eventually("the status reports it", || {
        let object = daemon.object("gateways", "default", "edge");
        let listeners = object["status"]["listeners"].as_array()?.clone();
        let checked = listeners.into_iter().find(|one| one["name"] == "checked")?;
        (condition(&checked, "Accepted")["status"] == "False").then_some(checked)
    });
    assert_eq!(
        condition(&status, "Accepted")["reason"],
        "NoValidCACertificate"
    );
    assert_eq!(
        condition(&status, "ResolvedRefs")["reason"],
        "InvalidCACertificateRef"
    );
    let open = site.ask(&daemon, 444, None);
    assert_eq!(open.expect("port 444 must be served"), 200);
}

#[test]
fn a_broken_authority_keeps_the_last_good_one_in_force() {
    let site = VerifyingSite::new("AllowValidOnly");
    let daemon = site.start();
    let others = Authority::new();
    let cut_off: String = others
        .pem()
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    site.folder
        .write("clients.yaml", config_map("clients", &cut_off));
    let found = daemon.wait_for_diagnostic("GF0603").to_string();
    assert!(found.contains("cut off before its END line"), "{found}");
    assert!(
        found.contains("the last good CA certificates stay in force"),
        "{found}"
    );
    let good = site.clients.issue("client");
    let served = site.ask(&daemon, 443, Some(&good));
    assert_eq!(
        served.expect("clients of the last good authority must be served"),
        200
    );
    for client in [None, Some(others.issue("client"))] {
        let refused = site.ask(&daemon, 443, client.as_ref());
        assert!(
            refused.is_err(),
            "other clients must be refused: {refused:?}"
        );
    }
    site.folder
        .write("clients.yaml", config_map("clients", &others.pem()));
    let new = others.issue("client");
    eventually("the new authority applies", || {
        site.ask(&daemon, 443, Some(&new)).ok()
    });
}

#[test]
fn warns_of_an_authority_whose_signatures_cannot_be_verified() {
    for (algorithm, size, kind) in [
        (
            "EC",
            "ec_paramgen_curve:P-521",
            "an ECDSA key on the curve P-521",
        ),
        ("RSA", "rsa_keygen_bits:1024", "an RSA key of 1024 bits"),
    ] {
        let site = VerifyingSite::new("AllowValidOnly");
        let key = openssl(&["genpkey", "-algorithm", algorithm, "-pkeyopt", size], "");
        let authority = self_signed(&key, "authority");
        site.folder
            .write("clients.yaml", config_map("clients", &authority));
        let output = check(&site.folder);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("warning[GF0606]") && text.contains(kind),
            "{text}"
        );
    }
}

/// Two Gateways share port 443. Only one of them verifies its clients.
#[test]
fn gateways_that_share_a_port_verify_clients_by_server_name() {
    const OTHER: &str = "other.example.com";
    let site = VerifyingSite::new("AllowValidOnly");
    let named = |text: String, host: &str| {
        text.replace(
            "port: 443, tls",
            &format!("port: 443, hostname: {host}, tls"),
        )
    };
    site.folder
        .write("gateway.yaml", named(gateway("AllowValidOnly"), HOST));
    let listeners = "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: other}]}}\n";
    let second = named(gateway_named("second", listeners), OTHER);
    let pair = site.server.issue(OTHER);
    let second_route = route("second", OTHER).replace("name: edge", "name: second");
    for (file, text) in [
        ("second.yaml", second),
        ("other.yaml", secret("other", &pair.certificate, &pair.key)),
        ("second-route.yaml", second_route),
        ("second-service.yaml", service("second")),
    ] {
        site.folder.write(file, text);
    }
    let daemon = site.start();
    assert!(
        site.ask(&daemon, 443, None).is_err(),
        "{HOST} must verify clients"
    );
    let config = site.server.trust();
    let (mut client, _) = Authority::connect_with(config, daemon.socket(443), OTHER)
        .expect("clients must not be verified");
    let answer = client.get(OTHER, "/", &[]).expect("an answer");
    assert_eq!(answer.status, 200);
    let answer = client.get(HOST, "/", &[]).expect("an answer");
    assert_eq!(answer.status, 421, "the verification must not be bypassed");
}

#[test]
fn no_other_gateway_serves_the_hostname_of_a_listener_without_its_authority() {
    let site = VerifyingSite::new("AllowValidOnly");
    let checked = gateway("AllowValidOnly").replace(
        "port: 443, tls",
        &format!("port: 443, hostname: {HOST}, tls"),
    );
    let wider = "    - {name: https, protocol: HTTPS, port: 443, hostname: '*.example.com', tls: {certificateRefs: [{name: wider}]}}\n";
    let pair = site.server.issue("*.example.com");
    let of_both = route("shop", HOST).replace("- name: edge", "- name: edge\n    - name: second");
    for (file, text) in [
        ("gateway.yaml", checked),
        ("second.yaml", gateway_named("second", wider)),
        ("wider.yaml", secret("wider", &pair.certificate, &pair.key)),
        ("route.yaml", of_both),
    ] {
        site.folder.write(file, text);
    }
    let daemon = site.start();
    assert!(
        site.ask(&daemon, 443, None).is_err(),
        "clients must be verified"
    );
    site.folder.remove("clients.yaml");
    eventually("the listener is closed", || {
        let gateway = daemon.object("gateways", "default", "edge");
        let accepted = condition(&gateway["status"]["listeners"][0], "Accepted");
        (accepted["status"] == "False").then_some(())
    });
    let status = site
        .ask(&daemon, 443, None)
        .expect("the wider listener accepts the connection");
    assert_eq!(status, 500, "the verification must not be bypassed");
}
