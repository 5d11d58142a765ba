//! Keys in the forms that tools write them in.

use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway_with, route, service};
use crate::support::tls::secret;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const HOST: &str = "www.example.com";

/// What openssl makes of a standard input.
#[track_caller]
fn openssl(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(arguments).stderr(Stdio::null());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl, which ./x test installs");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let mut output = String::new();
    let mut stdout = child.stdout.take().expect("its output");
    stdout.read_to_string(&mut output).expect("text");
    assert!(child.wait().expect("its end").success(), "{arguments:?}");
    output
}

/// A self-signed certificate for a key.
fn certificate(folder: &Folder, key: &str) -> String {
    folder.write("key.pem.txt", key);
    let path = folder.path().join("key.pem.txt");
    let subject = format!("/CN={HOST}");
    openssl(
        &[
            "req",
            "-x509",
            "-days",
            "30",
            "-subj",
            &subject,
            "-key",
            path.to_str().expect("a path"),
        ],
        "",
    )
}

/// Serves with a key and asks as a client that shows what it got.
#[track_caller]
fn is_served(key: &str, form: &str) {
    assert!(key.contains(form), "openssl wrote another form: {key:.40}");
    let folder = Folder::new();
    let certificate = certificate(&folder, key);
    folder.remove("key.pem.txt");
    let listener =
        "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";
    folder.write("gateway.yaml", gateway_with(listener));
    folder.write("cert.yaml", secret("cert", &certificate, key));
    folder.write("route.yaml", route("one", HOST));
    folder.write("one.yaml", service("one"));
    let daemon = Daemon::of(&folder).echo().start();
    let socket = daemon.socket(443);
    let resolve = format!("{HOST}:{}:{}", socket.port(), socket.ip());
    let url = format!("https://{HOST}:{}/", socket.port());
    // The certificate is its own authority, which curl takes and the tests' own client doesn't.
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
fn an_rsa_key_in_pkcs_1_is_served() {
    let key = openssl(&["genrsa", "-traditional", "2048"], "");
    is_served(&key, "BEGIN RSA PRIVATE KEY");
}

#[test]
fn an_elliptic_key_in_sec_1_is_served() {
    let curve = ["ecparam", "-genkey", "-noout", "-name", "prime256v1"];
    is_served(&openssl(&curve, ""), "BEGIN EC PRIVATE KEY");
}

#[test]
fn a_key_in_pkcs_8_is_served() {
    let algorithm = [
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
    ];
    is_served(&openssl(&algorithm, ""), "BEGIN PRIVATE KEY");
}
