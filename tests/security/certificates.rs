//! Certificates and keys in the formats of common tools, and Secrets that break while they are in use.

use crate::support::daemon::{Daemon, check};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_with, route, service};
use crate::support::openssl::{openssl, self_signed};
use crate::support::tls::{Authority, Pair, secret};
use serde_json::Value;
use std::process::Command;

const HOST: &str = "www.example.com";
const LISTENER: &str =
    "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";

/// Serves a key with a self-signed certificate, and sends a request with curl.
#[track_caller]
fn assert_served(key: &str, form: &str) {
    assert!(
        key.contains(form),
        "openssl wrote another format: {key:.40}"
    );
    let folder = Folder::new();
    let certificate = self_signed(key, HOST);
    folder.write("gateway.yaml", gateway_with(LISTENER));
    folder.write("cert.yaml", secret("cert", &certificate, key));
    folder.write("route.yaml", route("one", HOST));
    folder.write("one.yaml", service("one"));
    let daemon = Daemon::of(&folder).echo().start();
    let socket = daemon.socket(443);
    let resolve = format!("{HOST}:{}:{}", socket.port(), socket.ip());
    let url = format!("https://{HOST}:{}/", socket.port());
    // The certificate is its own authority, which curl accepts and the test's TLS client does not.
    let trusted = Folder::with([("own.crt", certificate)]);
    let status = Command::new("curl")
        .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
        .arg(trusted.path().join("own.crt"))
        .args(["--resolve", &resolve, &url])
        .output()
        .expect("curl, which ./x test installs");
    assert_eq!(String::from_utf8_lossy(&status.stdout), "200", "{status:?}");
}

#[test]
fn serves_an_rsa_key_in_pkcs1() {
    let key = openssl(&["genrsa", "-traditional", "2048"], "");
    assert_served(&key, "BEGIN RSA PRIVATE KEY");
}

#[test]
fn serves_an_elliptic_curve_key_in_sec1() {
    let curve = ["ecparam", "-genkey", "-noout", "-name", "prime256v1"];
    assert_served(&openssl(&curve, ""), "BEGIN EC PRIVATE KEY");
}

#[test]
fn serves_a_key_in_pkcs8() {
    let algorithm = [
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
    ];
    assert_served(&openssl(&algorithm, ""), "BEGIN PRIVATE KEY");
}

/// The output of `gatefold check` for a Secret with these entries.
#[track_caller]
fn check_output(certificate: &str, key: &str) -> String {
    let folder = Folder::with([
        ("gateway.yaml", gateway_with(LISTENER)),
        ("cert.yaml", secret("cert", certificate, key)),
    ]);
    let output = check(&folder);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn describes_keys_that_cannot_be_used() {
    let rsa = openssl(&["genrsa", "-traditional", "2048"], "");
    let small = openssl(&["genrsa", "1024"], "");
    let elliptic = |curve| openssl(&["ecparam", "-genkey", "-noout", "-name", curve], "");
    let pkcs_8 = |key: &str| openssl(&["pkcs8", "-topk8", "-nocrypt"], key);
    let password = ["-aes256", "-passout", "pass:secret"];
    let encrypted = |command: &[&str], key| openssl(&[command, &password].concat(), key);
    let certificate = self_signed(&rsa, HOST);
    for (key, expected) in [
        (small.clone(), "an RSA key of 1024 bits"),
        (pkcs_8(&small), "an RSA key of 1024 bits"),
        (elliptic("secp521r1"), "an ECDSA key on the curve P-521"),
        (
            pkcs_8(&elliptic("secp521r1")),
            "an ECDSA key on the curve P-521",
        ),
        (
            pkcs_8(&elliptic("secp256k1")),
            "an ECDSA key on the curve secp256k1",
        ),
        (
            openssl(&["genpkey", "-algorithm", "ed448"], ""),
            "an Ed448 key",
        ),
        (
            encrypted(&["rsa", "-traditional"], &rsa),
            "contains an encrypted key; decrypt it first (`openssl pkey -in KEY -out PLAIN`)",
        ),
        (
            encrypted(&["pkey"], &rsa),
            "contains an encrypted key; decrypt it first (`openssl pkey -in KEY -out PLAIN`)",
        ),
    ] {
        let output = check_output(&certificate, &key);
        assert!(output.contains(expected), "{expected}: {output}");
    }
}

#[test]
fn describes_certificates_that_cannot_be_used() {
    let authority = Authority::new();
    let pair = authority.issue(HOST);
    let (certificate, key) = (&*pair.certificate, &*pair.key);
    let cut_off: String = certificate
        .lines()
        .take(4)
        .map(|line| format!("{line}\n"))
        .collect();
    let order = format!("{}{certificate}", authority.pem());
    for (certificate, key, expected) in [
        (&*cut_off, key, "is cut off before its END line"),
        (
            &*order,
            key,
            "belongs to certificate 2 of 2 in `tls.crt`; put that one first",
        ),
        (key, certificate, "they are swapped"),
        (
            certificate,
            &*authority.issue(HOST).key,
            "doesn't belong to the first certificate",
        ),
    ] {
        let output = check_output(certificate, key);
        assert!(output.contains(expected), "{expected}: {output}");
    }
    let marked =
        secret("cert", certificate, key).replace("    -----BEGIN C", "    \u{feff}-----BEGIN C");
    let folder = Folder::with([
        ("gateway.yaml", gateway_with(LISTENER)),
        ("cert.yaml", marked),
    ]);
    let output = check(&folder);
    let output = String::from_utf8_lossy(&output.stdout);
    assert!(output.contains("byte order mark (BOM, U+FEFF)"), "{output}");
}

/// A daemon with an HTTPS listener, its folder, and the authority of its certificate.
struct SecretSite {
    authority: Authority,
    folder: Folder,
    daemon: Daemon,
}

impl SecretSite {
    fn new() -> (Self, Pair) {
        let authority = Authority::new();
        let pair = authority.issue(HOST);
        let folder = Folder::with([
            ("gateway.yaml", gateway_with(LISTENER)),
            ("cert.yaml", secret("cert", &pair.certificate, &pair.key)),
            ("route.yaml", route("one", HOST)),
            ("one.yaml", service("one")),
        ]);
        let daemon = Daemon::of(&folder).echo().start();
        let site = SecretSite {
            authority,
            folder,
            daemon,
        };
        (site, pair)
    }

    /// Sends a request and returns the certificate that the server presented.
    fn served(&self) -> std::io::Result<Vec<u8>> {
        let socket = self.daemon.socket(443);
        let (mut client, served) = self.authority.connect(socket, HOST)?;
        assert_eq!(client.get(HOST, "/", &[])?.status, 200);
        Ok(served)
    }

    fn listener(&self) -> Value {
        let object = self.daemon.object("gateways", "default", "edge");
        object["status"]["listeners"][0].clone()
    }

    /// Replaces the Secret and waits until it is loaded.
    fn write(&self, text: &str) {
        let seen = |summary: &Value| summary["generation"]["seen"].as_u64();
        let before = seen(&self.daemon.admin_json("/status"));
        self.folder.write("cert.yaml", text);
        self.daemon.wait_for_summary("the reload", |summary| {
            (seen(summary) > before).then_some(())
        });
    }

    /// Asserts that the diagnostic, the conditions and the generation report the last good certificate.
    #[track_caller]
    fn assert_last_good_in_force(&self, what: &str) {
        let found = self.daemon.wait_for_diagnostic("GF0603").to_string();
        assert!(
            found.contains("the last good certificate stays in force"),
            "{what}: {found}"
        );
        let listener = self.listener();
        let resolved = condition(&listener, "ResolvedRefs");
        assert_eq!(
            (&resolved["status"], &resolved["reason"]),
            (&"False".into(), &"InvalidCertificateRef".into())
        );
        let programmed = condition(&listener, "Programmed");
        assert_eq!(programmed["status"], "True", "{what}");
        let generation = &self.daemon.admin_json("/status")["generation"];
        assert_eq!(generation["failed"], generation["seen"], "{what}");
    }
}

#[test]
fn a_broken_secret_keeps_its_last_good_certificate_in_force() {
    let (site, pair) = SecretSite::new();
    let (certificate, key) = (&*pair.certificate, &*pair.key);
    let good = secret("cert", certificate, key);
    let other = site.authority.issue(HOST);
    for (what, bad) in [
        (
            "a key of another certificate",
            secret("cert", certificate, &other.key),
        ),
        ("no PEM", secret("cert", "hello", "hello")),
        (
            "no PEM in base64",
            secret("cert", "aGVsbG8=", "aGVsbG8=").replace("stringData", "data"),
        ),
        (
            "no data",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: cert}\n".to_owned(),
        ),
    ] {
        site.write(&bad);
        assert_eq!(site.served().expect(what), pair.der, "{what}");
        site.assert_last_good_in_force(what);
    }
    // A Secret whose data is not base64 is refused as an object.
    site.write(&good.replace("stringData", "data"));
    assert_eq!(site.served().expect("no base64"), pair.der);
    site.write(&secret("cert", &other.certificate, &other.key));
    assert_eq!(site.served().expect("the renewed one"), other.der);
    assert_eq!(
        condition(&site.listener(), "ResolvedRefs")["status"],
        "True"
    );
}

#[test]
fn a_removed_secret_removes_its_certificate() {
    let (site, _) = SecretSite::new();
    site.folder.remove("cert.yaml");
    eventually("the listener is closed", || {
        site.served().is_err().then_some(())
    });
    site.write(&secret("cert", "hello", "hello"));
    assert!(site.served().is_err(), "there is no last good certificate");
    assert_eq!(condition(&site.listener(), "Programmed")["status"], "False");
}
