//! How TLS with clients is set up (`tls` of a ClientTrafficPolicy).

use crate::support::client_traffic::{client_traffic_policy, replace};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway_named, route, service};
use crate::support::tls::{Authority, TlsClient, secret};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, NamedGroup, ProtocolVersion, SupportedProtocolVersion};
use std::io;
use std::sync::Arc;

const HOST: &str = "www.example.com";
const OTHER: &str = "other.example.com";

/// Two HTTPS listeners of one port, of which a policy targets the first one.
struct Site {
    authority: Authority,
    folder: Folder,
    daemon: Daemon,
}

impl Site {
    fn new(tls: &str) -> Self {
        let authority = Authority::new();
        let (pair, other) = (authority.issue(HOST), authority.issue(OTHER));
        let listeners = format!(
            "    - {{name: www, protocol: HTTPS, port: 443, hostname: {HOST}, tls: {{certificateRefs: [{{name: www}}]}}}}
    - {{name: other, protocol: HTTPS, port: 443, hostname: {OTHER}, tls: {{certificateRefs: [{{name: other}}]}}}}\n"
        );
        let folder = Folder::with([
            ("gateway.yaml", gateway_named("edge", &listeners)),
            ("www.yaml", secret("www", &pair.certificate, &pair.key)),
            (
                "other.yaml",
                secret("other", &other.certificate, &other.key),
            ),
            ("route.yaml", route("shop", HOST)),
            ("other-route.yaml", route("blog", OTHER)),
            ("shop.yaml", service("shop")),
            ("blog.yaml", service("blog")),
            ("clients.yaml", policy(tls)),
        ]);
        let daemon = Daemon::of(&folder).echo().start();
        Site {
            authority,
            folder,
            daemon,
        }
    }

    fn set(&self, tls: &str) {
        replace(&self.folder, &self.daemon, "clients.yaml", &policy(tls));
    }

    fn connect(&self, config: ClientConfig, host: &str) -> io::Result<TlsClient> {
        let socket = self.daemon.socket(443);
        let (mut client, _) = Authority::connect_with(Arc::new(config), socket, host)?;
        // In TLS 1.3 the client learns of a refusal only after its handshake.
        let answer = client.get(host, "/", &[])?;
        assert_eq!(answer.status, 200, "{host}");
        Ok(client)
    }

    /// A client that speaks one version.
    fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        (*self.authority.trust_resuming(version)).clone()
    }

    /// Whether a client of a version is served.
    fn serves(&self, version: &'static SupportedProtocolVersion, host: &str) -> bool {
        self.connect(self.client(version), host).is_ok()
    }
}

fn policy(tls: &str) -> String {
    client_traffic_policy(&format!("tls: {tls}"))
        .replace("name: edge", "name: edge, sectionName: www")
}

#[test]
fn a_minimum_version_refuses_older_clients() {
    let site = Site::new("{minVersion: '1.3'}");
    assert!(!site.serves(&TLS12, HOST), "TLS 1.2 is refused");
    assert!(site.serves(&TLS13, HOST));
    assert!(site.serves(&TLS12, OTHER), "another server name");
    site.set("{maxVersion: '1.2'}");
    assert!(site.serves(&TLS12, HOST));
    assert!(!site.serves(&TLS13, HOST), "TLS 1.3 is refused");
    site.set("{minVersion: '1.2', maxVersion: '1.3', alpnProtocols: [h2, http/1.1]}");
    assert!(site.serves(&TLS12, HOST) && site.serves(&TLS13, HOST));
}

#[test]
fn a_session_of_an_older_version_is_not_resumed_under_a_newer_minimum() {
    let site = Site::new("{minVersion: '1.2'}");
    let client = site.client(&TLS12);
    site.connect(client.clone(), HOST).expect("a session");
    let resumed = site.connect(client.clone(), HOST).expect("a connection");
    assert!(resumed.is_resumed());
    site.set("{minVersion: '1.3'}");
    assert!(site.connect(client, HOST).is_err());
}

#[test]
fn a_request_cannot_use_the_connection_of_a_weaker_name() {
    let site = Site::new("{minVersion: '1.3'}");
    let mut other = site
        .connect(site.client(&TLS12), OTHER)
        .expect("a connection");
    let answer = other.get(HOST, "/", &[]).expect("an answer");
    assert_eq!(answer.status, 421);
}

#[test]
fn protocols_are_negotiated_as_the_policy_says() {
    let site = Site::new("{alpnProtocols: [http/1.1, h2]}");
    let negotiated = |host: &str, offered: &[&str]| {
        let mut client = site.client(&TLS13);
        client.alpn_protocols = offered.iter().map(|it| it.as_bytes().to_vec()).collect();
        let (client, _) = Authority::connect_with(Arc::new(client), site.daemon.socket(443), host)?;
        let protocol = client.stream().conn.alpn_protocol().map(<[u8]>::to_vec);
        let text = protocol.unwrap_or_default();
        io::Result::Ok(String::from_utf8(text).expect("a text"))
    };
    let both = ["h2", "http/1.1"];
    assert_eq!(negotiated(HOST, &both).expect("a connection"), "http/1.1");
    assert_eq!(negotiated(OTHER, &both).expect("a connection"), "h2");
    site.set("{alpnProtocols: [http/1.1]}");
    assert_eq!(negotiated(HOST, &both).expect("a connection"), "http/1.1");
    assert!(negotiated(HOST, &["h2"]).is_err(), "no common protocol");
    site.set("{alpnProtocols: []}");
    assert_eq!(negotiated(HOST, &both).expect("a connection"), "");
}

#[test]
fn cipher_suites_and_groups_are_limited() {
    let site = Site::new("{ciphers: [ECDHE-ECDSA-AES256-GCM-SHA384], ecdhCurves: [P-384]}");
    let state = |host: &str| {
        let client = site
            .connect(site.client(&TLS12), host)
            .expect("a connection");
        let connection = &client.stream().conn;
        let suite = connection.negotiated_cipher_suite().map(|it| it.suite());
        let group = connection.negotiated_key_exchange_group();
        (suite, group.map(|it| it.name()))
    };
    let limited = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
    assert_eq!(state(HOST), (Some(limited), Some(NamedGroup::secp384r1)));
    assert_ne!(state(OTHER).1, Some(NamedGroup::secp384r1));
    assert!(site.serves(&TLS13, HOST), "TLS 1.3 has its own suites");
    // Only for keys of another kind than that of the certificate.
    site.set("{ciphers: [ECDHE-RSA-AES256-GCM-SHA384]}");
    assert!(!site.serves(&TLS12, HOST));
    site.set("{signatureAlgorithms: [ecdsa_secp384r1_sha384]}");
    assert!(!site.serves(&TLS13, HOST), "the key can't sign so");
    site.set("{signatureAlgorithms: [ecdsa_secp256r1_sha256]}");
    assert!(site.serves(&TLS13, HOST));
}

#[test]
fn a_list_without_a_usable_name_closes_the_listener() {
    let site = Site::new("{ciphers: [AES128-SHA]}");
    let socket = site.daemon.socket(443);
    let mut client = site.authority.connect(socket, HOST).expect("TLS").0;
    assert_eq!(client.get(HOST, "/", &[]).expect("an answer").status, 500);
    assert!(site.serves(&TLS13, OTHER));
    site.daemon.wait_for_diagnostic("GF0524");
    site.set("{ciphers: [AES128-SHA, ECDHE-ECDSA-AES128-GCM-SHA256]}");
    assert!(site.serves(&TLS12, HOST));
    site.daemon.wait_for_diagnostic("GF0523");
}

#[test]
fn sessions_are_resumed_as_the_policy_says() {
    let resumes = |site: &Site, version| {
        let client = site.client(version);
        site.connect(client.clone(), HOST).expect("a connection");
        let again = site.connect(client, HOST).expect("a connection");
        let connection = &again.stream().conn;
        assert!(connection.protocol_version() != Some(ProtocolVersion::TLSv1_1));
        again.is_resumed()
    };
    let site = Site::new("{session: {resumption: {}}}");
    for version in [&TLS12, &TLS13] {
        assert!(!resumes(&site, version), "never");
    }
    for resumption in ["stateless", "stateful"] {
        site.set(&format!(
            "{{session: {{resumption: {{{resumption}: {{}}}}}}}}"
        ));
        for version in [&TLS12, &TLS13] {
            assert!(resumes(&site, version), "{resumption}");
        }
        // Another edit keeps the sessions.
        let client = site.client(&TLS13);
        site.connect(client.clone(), HOST).expect("a connection");
        replace(&site.folder, &site.daemon, "more.yaml", &service("more"));
        site.folder.remove("more.yaml");
        assert!(
            site.connect(client, HOST)
                .expect("a connection")
                .is_resumed()
        );
    }
}
