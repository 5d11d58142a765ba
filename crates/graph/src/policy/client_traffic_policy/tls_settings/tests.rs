use super::super::shortfall::ShortfallEffect;
use super::*;

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Returns the settings, and the places of what isn't served, with `!` if that closes the targets.
fn read(tls: &ClientTLSSettings) -> (TlsSettings, Vec<String>) {
    let mut shortfalls = Vec::new();
    let settings = of(tls, &mut shortfalls);
    let places = shortfalls.iter();
    let places = places.map(|it| {
        format!(
            "{}{}",
            it.pointer,
            if it.effect == ShortfallEffect::Closes {
                "!"
            } else {
                ""
            }
        )
    });
    (settings, places.collect())
}

#[test]
fn settings_that_say_nothing_are_those_of_every_listener() {
    let (settings, places) = read(&ClientTLSSettings::default());
    assert_eq!(settings, TlsSettings::default());
    assert!(places.is_empty());
}

#[test]
fn versions_are_limited_to_those_of_rustls() {
    use TLSVersion::{Auto, V1_0, V1_1, V1_2, V1_3};
    for (min, max, versions, expected) in [
        (Some(V1_2), Some(V1_3), TlsVersions::All, ""),
        (Some(Auto), Some(Auto), TlsVersions::All, ""),
        (Some(V1_3), None, TlsVersions::Only13, ""),
        (None, Some(V1_2), TlsVersions::Only12, ""),
        (Some(V1_0), None, TlsVersions::All, "spec.tls.minVersion"),
        (None, Some(V1_1), TlsVersions::All, "spec.tls.maxVersion!"),
    ] {
        let tls = ClientTLSSettings {
            min_version: min,
            max_version: max,
            ..ClientTLSSettings::default()
        };
        let (settings, places) = read(&tls);
        assert_eq!(settings.versions, versions, "{min:?} to {max:?}");
        assert_eq!(places.join(" "), expected, "{min:?} to {max:?}");
    }
}

#[test]
fn ciphers_have_names_of_openssl_and_of_rfcs() {
    let tls = ClientTLSSettings {
        ciphers: list(&[
            "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "AES128-SHA",
        ]),
        ..ClientTLSSettings::default()
    };
    let (settings, places) = read(&tls);
    let suites = [
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ];
    assert_eq!(settings.cipher_suites.as_deref(), Some(&suites[..]));
    assert_eq!(places, ["spec.tls.ciphers[2]"]);
}

#[test]
fn a_list_without_any_known_name_closes() {
    let tls = ClientTLSSettings {
        ciphers: list(&["AES128-SHA"]),
        ecdh_curves: list(&["P-521"]),
        signature_algorithms: list(&["rsa_pkcs1_sha1"]),
        alpn_protocols: Some(list(&["h3"])),
        ..ClientTLSSettings::default()
    };
    let (settings, places) = read(&tls);
    let closed: Vec<String> = places.into_iter().filter(|it| it.ends_with('!')).collect();
    let expected = [
        "ciphers",
        "ecdhCurves",
        "signatureAlgorithms",
        "alpnProtocols",
    ];
    assert_eq!(closed, expected.map(|it| format!("spec.tls.{it}!")));
    // Clients must connect to be answered 500.
    assert_eq!(settings.cipher_suites, None);
    assert_eq!(settings.groups, None);
    assert_eq!(settings.signature_schemes, None);
}

#[test]
fn protocols_are_offered_in_their_order() {
    let tls = ClientTLSSettings {
        alpn_protocols: Some(list(&["http/1.1", "h2"])),
        ..ClientTLSSettings::default()
    };
    assert_eq!(read(&tls).0.alpn, [b"http/1.1".to_vec(), b"h2".to_vec()]);
    let off = ClientTLSSettings {
        alpn_protocols: Some(Vec::new()),
        ..ClientTLSSettings::default()
    };
    assert_eq!(
        read(&off),
        (
            TlsSettings {
                alpn: Vec::new(),
                ..TlsSettings::default()
            },
            Vec::new()
        )
    );
}
